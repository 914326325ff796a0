/* SPDX-License-Identifier: Apache-2.0 */
#include "proc/egress/stream.h"
#include "base/io.h"
#include "proc/egress/tls.h"
#include <errno.h>
#include <openssl/err.h>
#include <poll.h>
#include <sys/socket.h>

/* A head may wait in @out behind 64 KiB of body */
#define OUT_CAP (STREAM_OUT_GATHER + (160u << 10))
#define IN_CAP  (96u << 10)

static BIO_METHOD *bio_method; /* immutable after stream_bio_init() */

static void stream_early_done(struct stream *s)
{
	bb_buf_release(&s->early);
	s->early_off = 0;
}

static int bio_read(BIO *b, char *out, int len)
{
	struct stream *s = BIO_get_data(b);
	size_t early = s->early.len - s->early_off;
	ssize_t n;

	BIO_clear_retry_flags(b);
	if (len <= 0)
		return 0;
	/* OpenSSL reads ahead: more than one record may come of this, and no edge for the rest */
	s->readable = true;
	if (early) {
		size_t take = early < (size_t)len ? early : (size_t)len;

		memcpy(out, s->early.p + s->early_off, take);
		s->early_off += take;
		if (s->early_off == s->early.len)
			stream_early_done(s);
		return (int)take;
	}
	n = recv(s->fd, out, (size_t)len, 0);
	if (n >= 0)
		return (int)n;
	if (errno == EAGAIN || errno == EINTR) {
		s->readable = errno == EINTR;
		BIO_set_retry_read(b);
	}
	return -1;
}

static int bio_write(BIO *b, const char *p, int len)
{
	struct stream *s = BIO_get_data(b);
	ssize_t n;

	BIO_clear_retry_flags(b);
	n = send(s->fd, p, (size_t)len, MSG_NOSIGNAL | (s->more ? MSG_MORE : 0));
	if (n >= 0)
		return (int)n;
	if (errno == EAGAIN || errno == EINTR) {
		s->writable = errno == EINTR;
		BIO_set_retry_write(b);
	}
	return -1;
}

static long bio_ctrl(BIO *b, int cmd, long larg, void *parg)
{
	(void)b;
	(void)larg;
	(void)parg;
	return cmd == BIO_CTRL_FLUSH ? 1 : 0;
}

int stream_bio_init(void)
{
	bio_method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "stream");
	if (!bio_method || !BIO_meth_set_read(bio_method, bio_read) ||
	    !BIO_meth_set_write(bio_method, bio_write) || !BIO_meth_set_ctrl(bio_method, bio_ctrl))
		return -ENOMEM;
	return 0;
}

static void on_event(evutil_socket_t fd, short what, void *arg)
{
	struct stream *s = arg;

	(void)fd;
	if (what & EV_READ)
		s->readable = true;
	if (what & EV_WRITE)
		s->writable = true;
	s->on_ready(s->arg);
}

static void init(struct stream *s, int fd)
{
	*s = (struct stream){ .fd = fd };
	bb_buf_init(&s->in, IN_CAP);
	bb_buf_init(&s->out, OUT_CAP);
	bb_buf_init(&s->early, IN_CAP);
}

void stream_open_far(struct stream *s, const struct stream_far *far, void *arg)
{
	init(s, -1);
	s->far = far;
	s->arg = arg;
}

int stream_open(struct stream *s, struct event_base *base, int fd, stream_fn on_ready, void *arg)
{
	init(s, fd);
	s->on_ready = on_ready;
	s->arg = arg;
	s->readable = s->writable = true; /* until a call says otherwise */
	s->ev = event_new(base, fd, EV_READ | EV_WRITE | EV_ET | EV_PERSIST, on_event, s);
	if (!s->ev || bb_set_nonblock(fd, true) < 0 || event_add(s->ev, NULL) < 0) {
		stream_close(s);
		return -ENOMEM;
	}
	return 0;
}

int stream_move(struct stream *to, struct stream *from, struct event_base *base, stream_fn on_ready,
		void *arg)
{
	if (from->ev)
		event_free(from->ev);
	*to = *from;
	*from = (struct stream){ .fd = -1 };
	to->on_ready = on_ready;
	to->arg = arg;
	to->readable = to->writable = true; /* edges are told anew */
	if (to->ssl)
		BIO_set_data(SSL_get_rbio(to->ssl), to);
	to->ev = event_new(base, to->fd, EV_READ | EV_WRITE | EV_ET | EV_PERSIST, on_event, to);
	if (to->ev && event_add(to->ev, NULL) == 0)
		return 0;
	stream_close(to);
	return -ENOMEM;
}

bool stream_speaks_h2(const struct stream *s)
{
	const unsigned char *name = NULL;
	unsigned int len = 0;

	if (s->ssl)
		SSL_get0_alpn_selected(s->ssl, &name, &len);
	return len == 2 && memcmp(name, "h2", 2) == 0;
}

void stream_close(struct stream *s)
{
	if (s->far)
		s->far->close(s->arg);
	s->far = NULL;
	if (s->ev)
		event_free(s->ev);
	s->ev = NULL;
	/* Cut without close_notify, as HTTP may be: that alone does not spoil the session */
	if (s->ssl && !s->error)
		SSL_set_shutdown(s->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
	SSL_free(s->ssl);
	s->ssl = NULL;
	bb_closep(&s->fd);
	s->fd = -1;
	bb_buf_release(&s->in);
	bb_buf_release(&s->out);
	bb_buf_release(&s->early);
	s->early_off = 0;
}

int stream_start_tls(struct stream *s, SSL *ssl)
{
	BIO *bio = BIO_new(bio_method);

	BB_BUG_ON(s->ssl != NULL);
	s->ssl = ssl;
	if (!bio)
		return -ENOMEM;
	BIO_set_data(bio, s);
	BIO_set_init(bio, 1);
	SSL_set_bio(ssl, bio, bio);
	if (bb_buf_add(&s->early, s->in.p, s->in.len) < 0)
		return -ENOMEM;
	bb_buf_release(&s->in);
	return 0;
}

int stream_handshake(struct stream *s)
{
	int r, e;

	ERR_clear_error();
	r = SSL_do_handshake(s->ssl);
	if (r == 1)
		return 1;
	e = SSL_get_error(s->ssl, r);
	if (e == SSL_ERROR_WANT_READ || e == SSL_ERROR_WANT_WRITE)
		return 0;
	tls_error_text(s->ssl, s->why, sizeof(s->why));
	s->error = -EPROTO;
	return -EPROTO;
}

/* What a failed SSL_read() means. TLS without close_notify is an error: the end may be missing */
static void tls_read_failed(struct stream *s, int r)
{
	int e = SSL_get_error(s->ssl, r);

	if (e == SSL_ERROR_WANT_READ || e == SSL_ERROR_WANT_WRITE)
		return;
	if (e == SSL_ERROR_ZERO_RETURN) {
		s->eof = true;
		return;
	}
	tls_error_text(s->ssl, s->why, sizeof(s->why));
	s->error = -EPROTO;
}

static ssize_t read_some(struct stream *s, uint8_t *p, size_t len)
{
	ssize_t n;

	if (s->ssl) {
		ERR_clear_error();
		n = SSL_read(s->ssl, p, (int)len);
		if (n <= 0)
			tls_read_failed(s, (int)n);
		return n;
	}
	n = recv(s->fd, p, len, 0);
	if (n == 0)
		s->eof = true;
	else if (n < 0 && errno == EAGAIN)
		s->readable = false;
	else if (n < 0 && errno != EINTR)
		s->error = -errno;
	return n;
}

bool stream_fill(struct stream *s, size_t limit)
{
	BB_UNINIT uint8_t chunk[STREAM_CHUNK];
	size_t room = limit > s->in.len ? limit - s->in.len : 0;
	bool fits;
	ssize_t n;

	if (s->far)
		return !s->eof && !s->error && s->far->fill(s->arg, limit);
	if (s->fd < 0 || s->eof || s->error || room == 0 || !s->readable)
		return false;
	if (room > sizeof(chunk))
		room = sizeof(chunk);
	/* A buffer is as large as what has come: one that has become large is filled directly */
	fits = s->in.alloc > s->in.len + room;
	n = read_some(s, fits ? s->in.p + s->in.len : chunk, room);
	if (n <= 0)
		return s->eof || s->error;
	if (fits)
		s->in.len += (size_t)n;
	else if (bb_buf_add(&s->in, chunk, (size_t)n) < 0)
		s->error = -ENOMEM;
	return true;
}

/* Of @out, from @at on */
static ssize_t write_some(struct stream *s, size_t at)
{
	const uint8_t *p = s->out.p + at;
	size_t len = s->out.len - at;
	ssize_t n;

	if (s->ssl) {
		size_t record = len < STREAM_CHUNK ? len : STREAM_CHUNK;
		int e;

		s->more = len > record;
		ERR_clear_error();
		n = SSL_write(s->ssl, p, (int)record);
		s->more = false;
		if (n > 0)
			return n;
		e = SSL_get_error(s->ssl, (int)n);
		if (e != SSL_ERROR_WANT_READ && e != SSL_ERROR_WANT_WRITE) {
			tls_error_text(s->ssl, s->why, sizeof(s->why));
			s->write_error = -EPROTO;
		}
		return -1;
	}
	n = send(s->fd, p, len, MSG_NOSIGNAL);
	if (n < 0 && errno == EAGAIN)
		s->writable = false;
	else if (n < 0 && errno != EINTR)
		s->write_error = -errno;
	return n;
}

bool stream_flush(struct stream *s)
{
	size_t at = 0;

	if (s->far)
		return s->out.len && !s->error && !s->write_error && s->far->flush(s->arg);
	if (s->fd < 0 || s->error || s->write_error || s->shut)
		return false;
	while (at < s->out.len && s->writable && !s->write_error) {
		ssize_t n = write_some(s, at);

		if (n <= 0)
			break;
		at += (size_t)n;
	}
	bb_buf_drop(&s->out, at);
	return at > 0 || s->write_error;
}

void stream_slim(struct stream *s)
{
	if (s->in.len == 0)
		bb_buf_release(&s->in);
	if (s->out.len == 0)
		bb_buf_release(&s->out);
}

void stream_shutdown(struct stream *s)
{
	if (s->fd < 0 || s->shut)
		return;
	s->shut = true;
	if (s->ssl && !s->error && !s->write_error && SSL_is_init_finished(s->ssl)) {
		ERR_clear_error();
		(void)SSL_shutdown(s->ssl);
	}
	(void)shutdown(s->fd, SHUT_WR);
}

size_t stream_drain(struct stream *s)
{
	BB_UNINIT uint8_t chunk[STREAM_CHUNK];
	ssize_t n;

	bb_buf_release(&s->in);
	if (s->far)
		s->eof = true; /* its connection goes on: the stream alone ends */
	if (s->fd < 0 || s->eof || s->error || !s->readable)
		return 0;
	n = recv(s->fd, chunk, sizeof(chunk), 0);
	if (n > 0)
		return (size_t)n;
	if (n == 0)
		s->eof = true;
	else if (errno == EAGAIN)
		s->readable = false;
	else if (errno != EINTR)
		s->error = -errno;
	return 0;
}

bool stream_peer_gone(const struct stream *s)
{
	struct pollfd p = { .fd = s->fd };

	if (s->far)
		return s->error;
	return s->error || (poll(&p, 1, 0) == 1 && (p.revents & (POLLHUP | POLLERR)));
}
