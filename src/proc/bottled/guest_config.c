/* SPDX-License-Identifier: Apache-2.0 */
#include "proc/bottled/guest_config.h"
#include "proc/bottled/java_trust.h"
#include <errno.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>

#define PROBE_NAME "bot-bottle-probe.invalid"

/* Programs that do not read the system's bundle are told where it is */
static const char *const bundle_variables[] = {
	"SSL_CERT_FILE",      "NODE_EXTRA_CA_CERTS",
	"REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE",
	"GIT_SSL_CAINFO",     "CODEX_CA_CERTIFICATE",
	"AWS_CA_BUNDLE",      "PIP_CERT",
	"CARGO_HTTP_CAINFO",  "DENO_CERT",
	"NIX_SSL_CERT_FILE",  "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH",
};

static void set_text(json_t *obj, const char *key, const char *value)
{
	(void)json_object_set_new(obj, key, json_string(value));
}

/* Proxy and trust variables; the manifest's own come last and win, but for these names */
static json_t *guest_env(const struct spec *spec, const char *alias)
{
	json_t *env = json_deep_copy(spec->env);
	char proxy[80], no_proxy[120], java[512];

	(void)snprintf(proxy, sizeof(proxy), "http://%s:%d", alias, POLICY_PORT_EGRESS);
	(void)snprintf(no_proxy, sizeof(no_proxy), "localhost,127.0.0.1,::1,%s", alias);
	(void)snprintf(java, sizeof(java),
		       "-Dhttp.proxyHost=%s -Dhttp.proxyPort=%d -Dhttps.proxyHost=%s "
		       "-Dhttps.proxyPort=%d -Dhttp.nonProxyHosts=localhost|127.* "
		       "-Djavax.net.ssl.trustStore=" GUEST_CONFIG_JAVA_STORE
		       " -Djavax.net.ssl.trustStoreType=PKCS12 "
		       "-Djavax.net.ssl.trustStorePassword=" JAVA_TRUST_PASSWORD,
		       alias, POLICY_PORT_EGRESS, alias, POLICY_PORT_EGRESS);
	set_text(env, "HTTP_PROXY", proxy);
	set_text(env, "http_proxy", proxy);
	set_text(env, "HTTPS_PROXY", proxy);
	set_text(env, "https_proxy", proxy);
	set_text(env, "NO_PROXY", no_proxy);
	set_text(env, "no_proxy", no_proxy);
	set_text(env, "NODE_USE_ENV_PROXY", "1");
	set_text(env, "JAVA_TOOL_OPTIONS", java);
	for (size_t i = 0; i < BB_ARRAY_LEN(bundle_variables); i++)
		set_text(env, bundle_variables[i], GUEST_CONFIG_BUNDLE);
	return env;
}

/* What the courtesy rules send to the relay: synthetic addresses and the tcp rules' ranges */
static json_t *guest_ranges(const struct policy *p)
{
	json_t *ranges = json_array();

	(void)json_array_append_new(ranges, json_string("198.18.0.0/15"));
	for (size_t i = 0; i < p->n_tcp; i++) {
		char text[IP_ADDR_TEXT_MAX];

		if (p->tcp[i].host[0])
			continue;
		ip_addr_format(&p->tcp[i].cidr.addr, text);
		(void)json_array_append_new(ranges,
					    json_sprintf("%s/%d", text, p->tcp[i].cidr.bits));
	}
	return ranges;
}

static bool is_allowed(const struct policy *p, const struct ip_addr *addr, uint16_t port)
{
	for (size_t i = 0; i < p->n_tcp; i++) {
		if (!p->tcp[i].host[0] && p->tcp[i].port == port &&
		    cidr_contains(&p->tcp[i].cidr, addr))
			return true;
	}
	return false;
}

void guest_config_denied(const struct policy *p, struct ip_addr *ret_addr, uint16_t *ret_port)
{
	/* TEST-NET-1, port 9 and up: more ports than there can be rules */
	*ret_addr = (struct ip_addr){ 4, { 192, 0, 2, 1 } };
	*ret_port = 9;
	while (is_allowed(p, ret_addr, *ret_port))
		(*ret_port)++;
}

/* Subject hash as OpenSSL names links in a certificate directory */
static int subject_hash(const char *pem, char ret[static 9], struct bb_err *err)
{
	BIO *bio = BIO_new_mem_buf(pem, -1);
	X509 *cert = bio ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
	int ok = 0;
	unsigned long hash = 0;

	if (cert)
		hash = X509_NAME_hash_ex(X509_get_subject_name(cert), NULL, NULL, &ok);
	X509_free(cert);
	BIO_free(bio);
	if (!ok)
		return bb_err_set(err, -EBADMSG, "keyd sent no usable certificate");
	(void)snprintf(ret, 9, "%08lx", hash);
	return 0;
}

int guest_config_json(const struct spec *spec, const char *root_pem, struct bb_buf *ret,
		      struct bb_err *err)
{
	char alias[IP_ADDR_TEXT_MAX], denied[IP_ADDR_TEXT_MAX], hash[9];
	const struct policy *p = &spec->policy;
	struct ip_addr addr;
	json_auto_t *config = NULL;
	bb_auto_free char *text = NULL;
	uint16_t port;
	int r = subject_hash(root_pem, hash, err);

	if (r < 0)
		return r;
	ip_addr_format(&p->alias, alias);
	guest_config_denied(p, &addr, &port);
	ip_addr_format(&addr, denied);
	config = json_pack("{s:i, s:s, s:s, s:s, s:[i], s:o, s:o, s:{s:s}, s:o,"
			   " s:{s:[i], s:s, s:{s:s, s:i}}, s:I}",
			   "version", 1, "identity", p->identity, "hostname", p->identity, "alias",
			   alias, "services", POLICY_PORT_EGRESS, "ranges", guest_ranges(p), "env",
			   guest_env(spec, alias), "trust", "hash", hash, "apt_proxy",
			   json_sprintf("http://%s:%d", alias, POLICY_PORT_EGRESS), "probe",
			   "services", POLICY_PORT_EGRESS, "name", PROBE_NAME, "denied", "addr",
			   denied, "port", port, "pids", (json_int_t)spec->pids);
	if (config && spec->tz[0])
		set_text(config, "tz", spec->tz);
	text = config ? json_dumps(config, JSON_COMPACT) : NULL;
	if (!text)
		return bb_err_set(err, -ENOMEM, "no memory for the guest's configuration");
	r = bb_buf_add(ret, text, strlen(text));
	return r < 0 ? bb_err_set(err, r, "the guest's configuration is too large") : 0;
}
