/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BB_PROC_BOTTLED_BOTTLE_H
#define BB_PROC_BOTTLED_BOTTLE_H
#include "base/buf.h"
#include "ipc/peer.h"
#include "ipc/reload.h"
#include "proc/bottled/spec.h"
#include "vmm/vmm.h"
#include <signal.h>
#include <sys/types.h>

/**
 * DOC: bottle - the state of the one bottle that this process owns
 *
 * Layer:     proc/bottled
 *
 * Life: ROLES (recorder, keyd, dialer, egress, gate start and lock themselves) → PROBE (the host
 * probe asks gate about the edges of the policy) → BOOT (QEMU runs, the guest has not said hello)
 * → GUEST (the guest's own probe) → UP → ENDING. A boot that never says hello is tried once more,
 * with everything new: a vhost-user back end cannot be connected to twice.
 *
 * Whatever dies, the bottle ends: QEMU first, by SIGKILL, because it runs on for seconds without
 * its vhost back end; then the rest; recorder last, so that it can write why.
 */
enum bottle_phase {
	BOTTLE_ROLES = 0,
	BOTTLE_PROBE,
	BOTTLE_BOOT,
	BOTTLE_GUEST,
	BOTTLE_UP,
	BOTTLE_ENDING,

	BOTTLE_NUM_PHASES,
};
extern const char *const bottle_phase_str[BOTTLE_NUM_PHASES];

#define BOTTLE_BOOTS_MAX   2
#define BOTTLE_CLIENTS_MAX 16
#define BOTTLE_PORTERS_MAX 64

struct bottle;

/**
 * struct child - One standing process
 * @ready:	said READY (the vmm: was started)
 * @dead:	was reaped
 */
struct child {
	struct bottle *bottle;
	enum ipc_role role;
	pid_t pid; /* 0 = never started */
	int pidfd;
	struct event *exit_event;
	struct ipc_peer *peer;
	bool ready;
	bool dead;
};

/** struct porter - One use: a command, a copy, or the standing clock */
struct porter {
	struct bottle *bottle;
	pid_t pid; /* 0 = free slot */
	int pidfd;
	struct event *exit_event;
	struct ipc_peer *peer;
};

/** struct client - One connected CLI; slot 0 is the one that started us */
struct client {
	struct bottle *bottle;
	struct ipc_peer *peer;
	struct staged staged; /* what it has sent, before its RELOAD */
};

/** enum reload_step - What is under way; reload.c says why in this order */
enum reload_step {
	RELOAD_NONE = 0,
	RELOAD_LOOK, /* all four look at it; nothing has changed */
	RELOAD_KEYD, /* from here on a failure ends the bottle */
	RELOAD_EGRESS,
	RELOAD_GATE,
	RELOAD_PROBE,  /* the host probe again */
	RELOAD_RECORD, /* before and after are on record */
	RELOAD_DIALER,

	RELOAD_NUM_STEPS,
};

/**
 * struct reload - Another policy on its way
 * @missing:	Answers to RELOAD that have not come
 * @client:	Who asked for it, NULL when it has gone
 * @old:	The policy before, until the records are written
 */
struct reload {
	enum reload_step step;
	size_t missing;
	struct client *client;
	struct staged staged;
	struct policy old;
};

/**
 * struct lasting - The session of `start`, which outlives its CLI; lasting.c
 * @porter:	NULL: there is none, or none any more
 * @client:	The CLI that has it, NULL: nobody
 * @ended:	Its command has ended
 * @off:	The guest was told to switch itself off
 */
struct lasting {
	struct porter *porter;
	struct client *client;
	bool tty;
	bool ended;
	bool off;
};

struct bottle {
	struct event_base *base;
	struct spec spec;
	enum bottle_phase phase;
	unsigned int boots;
	uint64_t boot_ms;     /* when the machine was started */
	uint64_t boot_cpu_ns; /* what it had used when it was looked at last */
	struct vmm_accel_choice accel;
	long landlock; /* ABI, 0 = none */
	bool namespaces;
	bool was_up;
	struct child children[IPC_NUM_ROLES]; /* by role; others unused */
	struct porter porters[BOTTLE_PORTERS_MAX];
	struct client clients[BOTTLE_CLIENTS_MAX];
	struct porter *clock; /* the standing one */
	struct lasting lasting;
	int state_dir;
	int runtime_dir;
	int log_fd;
	int qmp_fd; /* our side of the monitor */
	int vmm_fds[VMM_FD_END];
	char *root_pem; /* from keyd, once per boot attempt */
	struct event *timer;
	struct event *network_event; /* looks at the files of @network */
	struct network_file {
		int64_t mtime_ns;
		uint64_t size;
		uint64_t inode;
	} network[2];
	struct event *control_event;
	struct event *signal_events[3];
	int control_fd;
	struct probe_list *probes;
	struct reload reload;
	uint64_t started_ms;
	uint64_t next_use;
	uint8_t exit_code;   /* for the CLI, when it did not end in order */
	struct bb_err why;   /* code 0: it ended in order */
	const char *stopped; /* before its command had; NULL: it was not */
};

/* network.c: the host's hosts file and resolv.conf, for dialer */
/** network_start() - Hand them over, and again whenever they have changed */
BB_MUST_USE int network_start(struct bottle *b, struct bb_err *err);
/** network_release() - NULL-safe, at the end */
void network_release(struct bottle *b);

/* children.c */
/** children_start() - Make the pairs, start all standing roles and hand them what they need */
BB_MUST_USE int children_start(struct bottle *b, struct bb_err *err);
/** children_start_vmm() - Build the initrd and start QEMU */
BB_MUST_USE int children_start_vmm(struct bottle *b, struct bb_err *err);
/** children_all_ready() - Every standing role has said READY and keyd its certificate */
bool children_all_ready(const struct bottle *b);
/** children_kill() - SIGKILL QEMU, then the rest but recorder; closes their peers */
void children_kill(struct bottle *b);
/** children_release() - Reap and free all of them, recorder too; nothing is left running */
void children_release(struct bottle *b);

/* engine.c: a container in place of the virtual machine (spec.engine not empty) */
/** engine_listen() - Make the guest's ports and give them to gate */
BB_MUST_USE int engine_listen(struct bottle *b, struct bb_err *err);
/** engine_prepare() - Write what the container sees. @ret_argv: owned, engine_command_free() */
BB_MUST_USE int engine_prepare(struct bottle *b, char ***ret_argv, struct bb_err *err);
/** engine_command() - The engine's command line alone */
BB_MUST_USE int engine_command(struct bottle *b, char ***ret_argv, struct bb_err *err);
void engine_command_free(char **argv);
/** engine_hello() - The guest has its settings: the environment in them is on no file any more */
void engine_hello(struct bottle *b);
/** engine_explain() - Why the container, or the engine's program, ended. @info: of waitid() */
void engine_explain(struct bottle *b, const siginfo_t *info, struct bb_err *why);
/** engine_remove() - Remove the container, if it is still there, and what it saw */
void engine_remove(struct bottle *b);

/* porters.c */
/**
 * porters_open() - Start a porter
 * @lasting:	it outlives its CLI (NULL: it does not)
 * @ret_cli:	owned socket for the CLI, NULL for the clock
 * @ret:	the porter, borrowed; only for as long as its process lives
 */
BB_MUST_USE int porters_open(struct bottle *b, const struct ipc_main_open *lasting, int *ret_cli,
			     struct porter **ret, struct bb_err *err);
/** porters_give_cli() - A socket pair: one end to the porter, the other is @ret_cli, owned */
BB_MUST_USE int porters_give_cli(struct porter *p, int *ret_cli, struct bb_err *err);
void porters_release(struct bottle *b);

/* probes.c */
/** probes_start() - Send the host probe through gate's decision path */
BB_MUST_USE int probes_start(struct bottle *b, struct bb_err *err);
/** probes_result() - One answer. Return: 1 when all have come, 0 when some are missing, -errno */
BB_MUST_USE int probes_result(struct bottle *b, const struct ipc_msg *msg, struct bb_err *err);
void probes_release(struct bottle *b);

/* reload.c */
/** reload_begin() - RELOAD of a client, behind its BLOBs; one RELOADED answers it */
void reload_begin(struct client *c);
/** reload_on_answer() - RELOADED of a role */
void reload_on_answer(struct bottle *b, enum ipc_role role, bool ok, struct bb_span text);
/** reload_on_probe() - What probes_result() said while the bottle is up */
void reload_on_probe(struct bottle *b, int result, const struct bb_err *why);
/** reload_on_ack() - RECORD_ACK of recorder */
void reload_on_ack(struct bottle *b, uint64_t seq);
/** reload_timeout() - The bottle's timer, while it is up */
void reload_timeout(struct bottle *b);
/** reload_client_gone() - Its answer is not waited for any more */
void reload_client_gone(struct client *c);
void reload_release(struct bottle *b);

/* lasting.c */
/** lasting_open() - MAIN_OPEN. @ret_cli: owned socket for the CLI. Return: 0 or -errno with @err */
BB_MUST_USE int lasting_open(struct client *c, bool tty, int *ret_cli, struct bb_err *err);
/** lasting_attach() - ATTACH, as lasting_open() */
BB_MUST_USE int lasting_attach(struct client *c, int *ret_cli, struct bb_err *err);
/** lasting_exit() - EXIT of a porter */
void lasting_exit(struct porter *p, const struct ipc_exit *e);
/** lasting_porter_gone() - A porter has ended, whatever it was for */
void lasting_porter_gone(struct porter *p);
/** lasting_client_gone() - Return: true when the bottle goes on without this client */
bool lasting_client_gone(struct client *c);
/** lasting_timeout() - The bottle's timer. Return: true when it was for us */
bool lasting_timeout(struct bottle *b);

/* control.c */
/** control_listen() - The bottle's control socket in its runtime directory */
BB_MUST_USE int control_listen(struct bottle *b, struct bb_err *err);
/** control_adopt() - Take the CLI that started us as client 0 */
BB_MUST_USE int control_adopt(struct bottle *b, int fd, struct bb_err *err);
/** control_progress() - One line for the CLI that started us */
BB_PRINTF(2, 3) void control_progress(struct bottle *b, const char *fmt, ...);
/** control_up() - Tell the CLI that the bottle is up */
void control_up(struct bottle *b);
/** control_ended() - Tell every client that still waits for something why it ended */
void control_ended(struct bottle *b, uint8_t code, const char *text);
/** control_unlisten() - Nobody new comes; who is connected is told by control_release() */
void control_unlisten(struct bottle *b);
void control_release(struct bottle *b);

/* bottle.c: the phases */
/** bottle_start_attempt() - Begin with ROLES */
BB_MUST_USE int bottle_start_attempt(struct bottle *b, struct bb_err *err);
/** bottle_advance() - Are all roles ready? Then the host probe. Whoever says so once more is late
 */
void bottle_advance(struct bottle *b);
/** bottle_probed() - gate has answered all of the host probe as it should: the machine may start */
void bottle_probed(struct bottle *b);
/** bottle_guest_hello() - The guest speaks */
void bottle_guest_hello(struct bottle *b, uint32_t version);
/** bottle_guest_probe() - Result of the guest's own probe */
void bottle_guest_probe(struct bottle *b, bool ok, struct bb_span text);
/** bottle_timer() - on_timer() of this phase after @seconds */
void bottle_timer(struct bottle *b, unsigned int seconds);
/** bottle_end() - End it in order */
void bottle_end(struct bottle *b, const char *event);
/** bottle_fail() - End it because of @why */
void bottle_fail(struct bottle *b, uint8_t exit_code, const struct bb_err *why);
/** bottle_record() - One life record */
void bottle_record(struct bottle *b, const char *event, const char *text);
#endif
