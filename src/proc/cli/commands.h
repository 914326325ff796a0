/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BB_PROC_CLI_COMMANDS_H
#define BB_PROC_CLI_COMMANDS_H
#include "proc/cli/options.h"

/** DOC: commands - one function per command; the table is commands.c. Each returns an exit code */
int cmd_attach(const struct cli_args *args);
int cmd_audit(const struct cli_args *args);
int cmd_audit_verify(const struct cli_args *args);
int cmd_check(const struct cli_args *args);
int cmd_cleanup(const struct cli_args *args);
int cmd_completion(const struct cli_args *args);
int cmd_commit(const struct cli_args *args);
int cmd_cp(const struct cli_args *args);
int cmd_diff(const struct cli_args *args);
int cmd_doctor(const struct cli_args *args);
int cmd_edit(const struct cli_args *args);
int cmd_exec(const struct cli_args *args);
int cmd_help(const struct cli_args *args);
int cmd_image(const struct cli_args *args);
int cmd_init(const struct cli_args *args);
int cmd_info(const struct cli_args *args);
int cmd_list(const struct cli_args *args);
int cmd_logs(const struct cli_args *args);
int cmd_scan(const struct cli_args *args);
int cmd_pull(const struct cli_args *args);
int cmd_redteam(const struct cli_args *args);
int cmd_reload(const struct cli_args *args);
int cmd_resume(const struct cli_args *args);
int cmd_run(const struct cli_args *args);
int cmd_start(const struct cli_args *args);
int cmd_stop(const struct cli_args *args);
#endif
