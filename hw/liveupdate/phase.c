/*
 * The phases of a handoff, as a table.
 *
 *   preserve -> freeze -> kexec, crash -> boot -> restore -> replace -> finish
 *      ^----------abort-------'             '------(after a crash)-------^
 *                                          '------> refuse ----------'
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "hw/liveupdate/phase.h"
#include "hw/liveupdate/lu-ctl-regs.h"

#define IN(state) (1u << LU_CLAIM_##state)

static const LuPhaseEdge edges[] = {
    [LU_CTL_OP_PRESERVE] = {
        "preserve", LU_SCOPE_STREAM, IN(NONE), LU_CLAIM_PRESERVED },
    [LU_CTL_OP_UNPRESERVE] = {
        "unpreserve", LU_SCOPE_STREAM, IN(PRESERVED), LU_CLAIM_NONE },
    [LU_CTL_OP_KEEP] = { "keep" },
    [LU_CTL_OP_UNKEEP] = { "unkeep" },
    [LU_CTL_OP_FREEZE] = {
        "freeze", LU_SCOPE_MACHINE, IN(PRESERVED), LU_CLAIM_FROZEN },
    [LU_CTL_OP_KEXEC] = {
        "kexec", LU_SCOPE_MACHINE, IN(FROZEN), LU_CLAIM_BLACKOUT },
    [LU_CTL_OP_ABORT] = {
        "abort", LU_SCOPE_MACHINE, IN(FROZEN) | IN(BLACKOUT),
        LU_CLAIM_PRESERVED },
    [LU_CTL_OP_BOOT] = {
        "boot", LU_SCOPE_MACHINE, IN(FROZEN) | IN(BLACKOUT),
        LU_CLAIM_RESTORING },
    [LU_CTL_OP_RESTORE] = {
        "restore", LU_SCOPE_TOKEN, IN(RESTORING), LU_CLAIM_RESTORED },
    [LU_CTL_OP_REPLACE] = {
        "replace", LU_SCOPE_TOKEN, IN(RESTORED), LU_CLAIM_REPLACED },
    [LU_CTL_OP_TAKE] = { "take" },
    [LU_CTL_OP_FREE] = { "free" },
    [LU_CTL_OP_FINISH] = {
        "finish", LU_SCOPE_TOKEN, IN(REPLACED) | IN(REFUSED),
        LU_CLAIM_FINISHED, IN(RESTORING) },
    [LU_CTL_OP_IDLE] = { "idle" },
    [LU_CTL_OP_CRASH] = {
        "crash", LU_SCOPE_MACHINE, IN(FROZEN), LU_CLAIM_BLACKOUT },
    [LU_CTL_OP_KHO] = { "kho" },
    [LU_CTL_OP_MAP] = { "map" },
    [LU_CTL_OP_LEAKED] = { "leaked" },
    [LU_CTL_OP_REFUSE] = {
        "refuse", LU_SCOPE_TOKEN, IN(RESTORING) | IN(RESTORED),
        LU_CLAIM_REFUSED },
};

const LuPhaseEdge *lu_phase_edge(uint8_t op)
{
    return op < ARRAY_SIZE(edges) && edges[op].name ? &edges[op] : NULL;
}
