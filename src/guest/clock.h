/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BB_GUEST_CLOCK_H
#define BB_GUEST_CLOCK_H
#include "base/base.h"

/**
 * DOC: clock - has this machine a timer?
 *
 * Layer:     guest
 * Used by:   init
 * Source:    Linux, kernel/time/clockevents.c (/sys/devices/system/clockevents)
 *
 * A microVM's only timer is the local APIC's, which the kernel measures against the time stamp
 * counter while it boots. When the host takes an emulated processor away for a tenth of a second
 * just then, the kernel finds the timer too slow and goes on without one: such a machine boots and
 * answers, but no sleep and no time limit in it ever ends.
 */

/**
 * clock_has_timer() - Has the first processor a device that wakes it at a given time?
 * @sys:	descriptor of /sys (borrowed)
 *
 * Return: false when the kernel says that it has none; true also when the kernel does not say
 */
bool clock_has_timer(int sys);
#endif
