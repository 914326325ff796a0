/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BB_STATE_AUDIT_FILES_H
#define BB_STATE_AUDIT_FILES_H
#include "base/base.h"

/**
 * DOC: audit_files - the files of one audit, oldest first: audit.1.jsonl, audit.2.jsonl, …,
 * audit.jsonl
 *
 * Records are appended to audit.jsonl. When it has its size, bottled gives it the next number and
 * recorder a new one to go on in; recorder, which can open nothing, writes to the old one until
 * then. So only the file behind one that has something may be taken as complete. The chain
 * (audit_chain.h) goes on from file to file: a file that is missing shows.
 *
 * Layer:     state
 * Used by:   recorder, bottled, cli
 * Trust:     names and types of files are checked; what is in them is hostile to readers
 * Limits:    AUDIT_FILES_MAX
 */
#define AUDIT_FILES_MAX 64
#define AUDIT_NAME_MAX  24

/** audit_file_name() - "audit.N.jsonl"; 0: "audit.jsonl" */
void audit_file_name(unsigned int n, char out[static AUDIT_NAME_MAX]);

/**
 * audit_file_open() - Open a file of a bottle for reading: a regular one, never through a link,
 *		       never waiting for a pipe's other end
 *
 * Return: owned fd or -errno with @err
 */
BB_MUST_USE int audit_file_open(int state_dir, const char *name, struct bb_err *err);

/**
 * audit_file_after() - Open the file behind the @n-th for reading, also while bottled moves them
 * @n:		0 = open the first; becomes the number of what is open
 * @ret_last:	it is audit.jsonl
 *
 * Return: fd; -ENOENT when nothing was recorded; -errno; with @err
 */
BB_MUST_USE int audit_file_after(int state_dir, unsigned int *n, bool *ret_last,
				 struct bb_err *err);

/**
 * audit_file_is_numbered() - Has audit.jsonl become the @n-th file meanwhile?
 */
bool audit_file_is_numbered(int state_dir, unsigned int n);

/**
 * audit_file_rotate() - Give audit.jsonl the next number and make an empty one
 *
 * Return: fd to append to; -EMFILE at the bound; -errno; with @err. audit.jsonl stays where it is,
 * or is there again, unless a new one cannot be made
 */
BB_MUST_USE int audit_file_rotate(int state_dir, struct bb_err *err);
#endif
