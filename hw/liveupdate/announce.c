/*
 * The QMP command lu-announce: what lu-ctl is to the guest, for whoever runs
 * the machine.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qapi/qapi-commands-liveupdate.h"
#include "hw/liveupdate/lu-ctl-regs.h"
#include "hw/liveupdate/monitor.h"

/* The operation of that name; the names are those of phase.c. */
static uint8_t op_of(LuOpKind kind)
{
    uint8_t op = LU_CTL_OP_PRESERVE;

    while (strcmp(lu_op_name(op), LuOpKind_str(kind))) {
        op++;
    }
    return op;
}

/* "bb:dd.f" */
static bool parse_stream(const char *text, uint16_t *rid, Error **errp)
{
    unsigned bus, slot, function;
    int end = 0;

    if (sscanf(text, "%2x:%2x.%1u%n", &bus, &slot, &function, &end) != 3 ||
        text[end] || slot > 0x1f || function > 7) {
        error_setg(errp, "stream '%s' is none: say bus:device.function, such "
                   "as 00:11.0", text);
        return false;
    }
    *rid = bus << 8 | slot << 3 | function;
    return true;
}

void qmp_lu_announce(LuOpKind op, const char *stream, bool has_pasid,
                     uint32_t pasid, bool has_token, uint64_t token,
                     bool has_address, uint64_t address, bool has_length,
                     uint64_t length, bool has_param, uint32_t param,
                     Error **errp)
{
    static const char *const refused[] = {
        [LU_CTL_EINVAL] = "an argument is missing, or makes no sense",
        [LU_CTL_ENOENT] = "there is no such stream, token or claim",
        [LU_CTL_EEXIST] = "the stream is claimed already",
        [LU_CTL_ESTATE] = "not in the phase in which the claim is",
        [LU_CTL_ENOSPC] = "a limit of the model is reached",
    };
    LuSession *session = lu_monitor_session();
    LuOp o = {
        .op = op_of(op), .pasid = has_pasid ? pasid : LU_NO_PASID,
        .token = token, .addr = address, .len = length, .param = param,
        .source = "qmp",
    };
    int ret;

    if (!session) {
        error_setg(errp, "there is no lu-monitor: add -object "
                   "lu-monitor,id=lu0");
        return;
    }
    if (has_pasid && pasid >= 1u << 20) {
        error_setg(errp, "pasid %u has more than 20 bits", pasid);
        return;
    }
    if (stream && !parse_stream(stream, &o.rid, errp)) {
        return;
    }
    ret = lu_session_op(session, &o);
    if (ret != LU_CTL_OK) {
        error_setg(errp, "%s is refused: %s", LuOpKind_str(op), refused[ret]);
    }
}
