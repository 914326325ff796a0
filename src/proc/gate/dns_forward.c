/* SPDX-License-Identifier: Apache-2.0 */
#include "proc/gate/dns_forward.h"
#include "base/io.h"
#include "policy/authority.h"

struct dns_pending {
	LIST_ENTRY(dns_pending) link;
	uint64_t id;
	struct dns_service *from;
	struct dns_query query;
	uint8_t question[DNS_QUESTION_MAX];
};

static void record(struct gate *g, const struct dns_query *q, enum policy_verdict verdict,
		   enum policy_reason reason, enum dns_rcode rcode)
{
	struct ipc_record r = { .kind = IPC_RECORD_DNS, .port = 53 };
	char type[DNS_TYPE_TEXT];

	dns_type_text(q->qtype, type);
	r.verdict = (uint8_t)verdict;
	r.reason = (uint8_t)reason;
	r.status = (uint16_t)rcode;
	r.method = BB_SPAN_STR(type);
	r.host = BB_SPAN_STR(q->name);
	gate_record(g, 0, false, &r);
}

static void pending_free(struct gate *g, struct dns_pending *p)
{
	LIST_REMOVE(p, link);
	g->n_pending--;
	free(p);
}

bool dns_forward_ask(struct gate *g, struct dns_service *from, const struct dns_query *q)
{
	struct ipc_msg msg = { .type = IPC_DNS_ASK, .fd = -1 };
	struct dns_pending *p = NULL;

	if (g->n_pending < GATE_FORWARD_MAX && bucket_take(&g->forward_rate, bb_now_ms()))
		p = calloc(1, sizeof(*p));
	if (!p) {
		record(g, q, POLICY_DENY, REASON_LIMIT, DNS_RCODE_SERVFAIL);
		return false;
	}
	BB_BUG_ON(q->question.len > sizeof(p->question));
	p->id = ++g->next_id;
	p->from = from;
	p->query = *q;
	memcpy(p->question, q->question.p, q->question.len);
	p->query.question.p = p->question;
	LIST_INSERT_HEAD(&g->pending, p, link);
	g->n_pending++;
	record(g, q, POLICY_ALLOW, REASON_FORWARDED, DNS_RCODE_NOERROR);
	msg.flow = p->id;
	msg.u.probe_dns.qtype = q->qtype;
	msg.u.probe_dns.name = BB_SPAN_STR(p->query.name);
	if (ipc_peer_send(g->dialer, &msg) == 0)
		return true;
	pending_free(g, p);
	return false;
}

/* "a.test\nb.test\n": names again, or the answer is none */
static bool take_names(struct bb_span text, struct dns_answer *a)
{
	while (text.len) {
		const uint8_t *end = memchr(text.p, '\n', text.len);
		struct bb_span name = { text.p, end ? (size_t)(end - text.p) : 0 };

		if (!end || a->n_names == DNS_ANSWER_NAMES ||
		    authority_name(name, a->names[a->n_names]) != REASON_OK)
			return false;
		a->n_names++;
		text = (struct bb_span){ end + 1, text.len - name.len - 1 };
	}
	return true;
}

static bool take_answer(const struct ipc_dns_answer *m, uint16_t qtype, struct dns_answer *a)
{
	size_t size = qtype == DNS_TYPE_A ? 4 : 16;

	*a = (struct dns_answer){ .ttl = m->ttl };
	a->rcode = (enum dns_rcode)m->rcode;
	if ((m->rcode != DNS_RCODE_NOERROR && m->rcode != DNS_RCODE_NXDOMAIN) ||
	    m->addrs.len % size || m->addrs.len / size > DNS_ANSWER_ADDRS ||
	    (m->addrs.len && qtype == DNS_TYPE_CNAME) || !take_names(m->names, a))
		return false;
	for (; a->n_addrs < m->addrs.len / size; a->n_addrs++)
		memcpy(a->addrs[a->n_addrs], m->addrs.p + a->n_addrs * size, size);
	return true;
}

void dns_forward_answer(struct gate *g, const struct ipc_msg *msg)
{
	uint8_t reply[DNS_ANSWER_REPLY_MAX];
	struct dns_pending *p;
	struct dns_answer a;
	size_t n;

	LIST_FOREACH(p, &g->pending, link)
	{
		if (p->id == msg->flow)
			break;
	}
	if (!p)
		return; /* who asked has gone */
	if (take_answer(&msg->u.dns_answer, p->query.qtype, &a)) {
		n = dns_reply_answer(&p->query, &a, reply);
	} else {
		record(g, &p->query, POLICY_ALLOW, REASON_UPSTREAM_RESOLVE, DNS_RCODE_SERVFAIL);
		n = dns_reply_error(&p->query, DNS_RCODE_SERVFAIL, reply);
	}
	dns_service_reply(p->from, (struct bb_span){ reply, n });
	pending_free(g, p);
}

void dns_forward_forget(struct gate *g, const struct dns_service *from)
{
	struct dns_pending *p, *next;

	for (p = LIST_FIRST(&g->pending); p; p = next) {
		next = LIST_NEXT(p, link);
		if (p->from == from)
			pending_free(g, p);
	}
}
