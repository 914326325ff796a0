/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The host's network changes under a running bottle: a VPN comes up, a laptop moves. Both files are
 * often symbolic links to ones that are replaced as a whole (systemd-resolved, NetworkManager), so
 * they are looked at by name every two seconds instead of watched by inode.
 */
#include "base/io.h"
#include "proc/bottled/bottle.h"
#include <errno.h>
#include <sys/stat.h>

#define LOOK_S 2

static const struct {
	const char *path;
	enum ipc_blob_kind kind;
	size_t max;
} files[] = {
	{ "/etc/hosts", IPC_BLOB_HOSTS, 1u << 20 },
	{ "/etc/resolv.conf", IPC_BLOB_RESOLV, 64u << 10 },
};

/* What tells one state of a file from the next; zero when there is none */
static struct network_file look(const char *path)
{
	struct network_file f = { 0 };
	struct stat st;

	if (stat(path, &st) == 0)
		f = (struct network_file){ st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec,
					   (uint64_t)st.st_size, st.st_ino };
	return f;
}

static int hand_over(struct bottle *b, size_t i, struct bb_err *err)
{
	struct ipc_msg msg = { .type = IPC_BLOB };
	bb_auto_buf struct bb_buf text;
	bb_auto_close int fd = -1;
	struct bb_err ignored = { 0 };
	int r;

	bb_buf_init(&text, files[i].max);
	b->network[i] = look(files[i].path);
	if (bb_read_file(files[i].path, &text, &ignored) < 0)
		text.len = 0; /* none, or too large: nothing from it */
	fd = bb_memfd_sealed("network", bb_buf_span(&text), err);
	if (fd < 0)
		return fd;
	msg.fd = fd;
	msg.u.kind.kind = (uint8_t)files[i].kind;
	r = ipc_peer_send(b->children[IPC_ROLE_DIALER].peer, &msg);
	return r < 0 ? bb_err_set(err, r, "dialer: %s", strerror(-r)) : 0;
}

static void on_look(evutil_socket_t fd, short what, void *arg)
{
	struct bottle *b = arg;
	struct bb_err err = { 0 };

	(void)fd;
	(void)what;
	for (size_t i = 0; i < BB_ARRAY_LEN(files); i++) {
		struct network_file now = look(files[i].path), *was = &b->network[i];

		if ((now.mtime_ns == was->mtime_ns && now.size == was->size &&
		     now.inode == was->inode) ||
		    !b->children[IPC_ROLE_DIALER].peer || b->phase != BOTTLE_UP)
			continue;
		if (hand_over(b, i, &err) == 0)
			bottle_record(b, "network_changed", files[i].path);
	}
}

int network_start(struct bottle *b, struct bb_err *err)
{
	const struct timeval often = { .tv_sec = LOOK_S };

	for (size_t i = 0; i < BB_ARRAY_LEN(files); i++) {
		if (hand_over(b, i, err) < 0)
			return err->code;
	}
	if (!b->network_event)
		b->network_event = event_new(b->base, -1, EV_PERSIST, on_look, b);
	if (!b->network_event || event_add(b->network_event, &often) < 0)
		return bb_err_set(err, -ENOMEM, "no memory");
	return 0;
}

void network_release(struct bottle *b)
{
	if (b->network_event)
		event_free(b->network_event);
	b->network_event = NULL;
}
