/* SPDX-License-Identifier: Apache-2.0 */
/* sync/stop_window.h - when a thread that was asked to stop may be interrupted by an exception from outside: while its
 * target runs, and no shield is up. Nothing may be left pending when the window closes.
 *
 *   closed ──open──> open ──close──> closed           asked in the window: ARM, that is, let the exception come
 *                     │ ^                             asked before: ARM as the window opens
 *               shield│ │unshield                     asked under a shield: ARM as the last shield goes
 *                     v │
 *                   shielded
 *
 * Pure bookkeeping: each function says what the caller has to do about the exception, under the same lock (the caller's)
 * that it holds around the call.
 */
#ifndef CONC_SYNC_STOP_WINDOW_H
#define CONC_SYNC_STOP_WINDOW_H

#include <stdbool.h>

enum conc_stop_action {
    CONC_STOP_NOTHING,
    CONC_STOP_ARM,              /* let the exception come at the thread's next look */
    CONC_STOP_DISARM,           /* take back the one that is pending, if there is one */
};

/* Zeroed: closed, nobody has asked. */
struct conc_stop_window {
    bool open;
    bool asked;                 /* and the exception was not seen to come */
    bool armed;                 /* armed since; it may have come meanwhile */
    unsigned shields;
};

static inline enum conc_stop_action
conc_stop_window_arm_if_due(struct conc_stop_window *window)
{
    window->armed = window->open && window->asked && window->shields == 0;
    return window->armed ? CONC_STOP_ARM : CONC_STOP_NOTHING;
}

/* By the thread, before and after its target. */
static inline enum conc_stop_action
conc_stop_window_open(struct conc_stop_window *window)
{
    window->open = true;
    return conc_stop_window_arm_if_due(window);
}

static inline enum conc_stop_action
conc_stop_window_close(struct conc_stop_window *window)
{
    bool armed = window->armed;
    window->open = false;
    window->armed = false;
    return armed ? CONC_STOP_DISARM : CONC_STOP_NOTHING;
}

/* By anyone, any number of times: a target that has swallowed the exception gets another one. */
static inline enum conc_stop_action
conc_stop_window_ask(struct conc_stop_window *window)
{
    window->asked = true;
    return conc_stop_window_arm_if_due(window);
}

/* By the thread; `pending`: an exception is armed and has not come yet. One that has come is not asked for again when
 * the shield goes. */
static inline enum conc_stop_action
conc_stop_window_shield(struct conc_stop_window *window, bool pending)
{
    if (window->shields++ > 0 || !window->armed)
        return CONC_STOP_NOTHING;
    window->armed = false;
    window->asked = pending;
    return CONC_STOP_DISARM;
}

/* By the thread: the exception has been raised by other means. */
static inline enum conc_stop_action
conc_stop_window_came(struct conc_stop_window *window)
{
    bool armed = window->armed;
    window->asked = false;
    window->armed = false;
    return armed ? CONC_STOP_DISARM : CONC_STOP_NOTHING;
}

static inline enum conc_stop_action
conc_stop_window_unshield(struct conc_stop_window *window)
{
    window->shields--;
    return conc_stop_window_arm_if_due(window);
}

#endif
