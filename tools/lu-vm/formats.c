/*
 * The verdict for programs: KTAP, JUnit, JSON.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "qobject/json-writer.h"
#include "facts.h"
#include "output.h"

void lu_vm_print_ktap(FILE *to, const char *name, const LuVmVerdict *v)
{
    bool ok = true;

    fprintf(to, "KTAP version 1\n1..1\n    KTAP version 1\n    1..%u\n",
            v->checks->len);
    for (guint i = 0; i < v->checks->len; i++) {
        const LuVmCheck *check = g_ptr_array_index(v->checks, i);
        bool skip = check->outcome == LU_VM_INCONCLUSIVE;

        for (guint r = 0; r < check->reasons->len; r++) {
            fprintf(to, "    # %s\n",
                    (char *)g_ptr_array_index(check->reasons, r));
        }
        ok &= check->outcome <= LU_VM_INCONCLUSIVE;
        fprintf(to, "    %sok %u %s%s\n",
                check->outcome > LU_VM_INCONCLUSIVE ? "not " : "", i + 1,
                check->name, skip ? " # SKIP inconclusive" : "");
    }
    fprintf(to, "%sok 1 lu-vm-%s%s\n", ok ? "" : "not ", name,
            lu_vm_verdict_outcome(v) == LU_VM_INCONCLUSIVE ?
            " # SKIP inconclusive" : "");
    fflush(to);
}

static char *joined(const LuVmCheck *check)
{
    GString *out = g_string_new("");

    for (guint r = 0; r < check->reasons->len; r++) {
        g_string_append_printf(out, "%s%s", r ? "\n" : "",
                               (char *)g_ptr_array_index(check->reasons, r));
    }
    return g_string_free(out, false);
}

char *lu_vm_junit(const char *name, const LuVmVerdict *v)
{
    static const char *const elements[LU_VM_OUTCOME__MAX] = {
        [LU_VM_INCONCLUSIVE] = "skipped",
        [LU_VM_FAIL] = "failure",
        [LU_VM_CANNOT_RUN] = "error",
        [LU_VM_TIMEOUT] = "error",
    };
    unsigned n[LU_VM_OUTCOME__MAX] = { };
    GString *cases = g_string_new("");
    char *out;

    for (guint i = 0; i < v->checks->len; i++) {
        const LuVmCheck *check = g_ptr_array_index(v->checks, i);
        const char *element = elements[check->outcome];
        g_autofree char *why = joined(check);
        g_autofree char *text = g_markup_escape_text(why, -1);

        n[check->outcome]++;
        g_string_append_printf(cases, "    <testcase classname=\"lu-vm.%s\" "
                               "name=\"%s\"", name, check->name);
        if (element) {
            g_string_append_printf(cases, ">\n      <%s message=\"%s\"/>\n"
                                   "    </testcase>\n", element, text);
        } else {
            g_string_append(cases, "/>\n");
        }
    }
    out = g_strdup_printf("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
                          "<testsuites>\n  <testsuite name=\"lu-vm.%s\" "
                          "tests=\"%u\" failures=\"%u\" errors=\"%u\" "
                          "skipped=\"%u\">\n%s  </testsuite>\n</testsuites>\n",
                          name, v->checks->len, n[LU_VM_FAIL],
                          n[LU_VM_CANNOT_RUN] + n[LU_VM_TIMEOUT],
                          n[LU_VM_INCONCLUSIVE], cases->str);
    g_string_free(cases, true);
    return out;
}

static void write_hash(JSONWriter *w, const char *name, const char *path)
{
    g_autoptr(GMappedFile) file = g_mapped_file_new(path, false, NULL);
    g_autofree char *sum = file ? g_compute_checksum_for_data(
        G_CHECKSUM_SHA256, (const guchar *)g_mapped_file_get_contents(file),
        g_mapped_file_get_length(file)) : NULL;

    if (sum) {
        json_writer_str(w, name, sum);
    }
}

static void write_checks(JSONWriter *w, const LuVmVerdict *v)
{
    json_writer_start_array(w, "checks");
    for (guint i = 0; i < v->checks->len; i++) {
        const LuVmCheck *check = g_ptr_array_index(v->checks, i);

        json_writer_start_object(w, NULL);
        json_writer_str(w, "name", check->name);
        json_writer_str(w, "outcome", lu_vm_outcome_name(check->outcome));
        json_writer_start_array(w, "reasons");
        for (guint r = 0; r < check->reasons->len; r++) {
            json_writer_str(w, NULL, g_ptr_array_index(check->reasons, r));
        }
        json_writer_end_array(w);
        json_writer_end_object(w);
    }
    json_writer_end_array(w);
}

static void write_facts(JSONWriter *w, const GPtrArray *facts)
{
    json_writer_start_object(w, "facts");
    for (guint i = 0; i < facts->len; i++) {
        const LuVmFact *fact = g_ptr_array_index(facts, i);

        if (fact->text) {
            json_writer_str(w, fact->name, fact->text);
        } else {
            json_writer_uint64(w, fact->name, fact->number);
        }
    }
    json_writer_end_object(w);
}

char *lu_vm_verdict_json(const LuVmRun *run, const LuVmVerdict *v,
                         const GPtrArray *facts)
{
    const LuVmOptions *o = run->o;
    JSONWriter *w = json_writer_new(true);
    g_autofree char *initrd = o->own_initrd ?
        g_build_filename(run->directory, "initrd", NULL) : g_strdup(o->initrd);
    GString *json;
    char *text;

    json_writer_start_object(w, NULL);
    json_writer_uint64(w, "schema", 1);
    json_writer_str(w, "verdict",
                    lu_vm_outcome_name(lu_vm_verdict_outcome(v)));
    json_writer_uint64(w, "known-findings", v->known);
    json_writer_str(w, "scenario", o->scenario->name);
    json_writer_str(w, "arch", lu_vm_arch_name(o->arch));
    json_writer_int64(w, "seed", o->seed);
    json_writer_bool(w, "icount", o->icount);
    json_writer_start_object(w, "sha256");
    write_hash(w, "kernel", o->kernel);
    write_hash(w, "kexec-kernel", o->kexec_kernel);
    write_hash(w, "initrd", initrd);
    write_hash(w, "qemu", o->qemu);
    json_writer_end_object(w);
    write_checks(w, v);
    write_facts(w, facts);
    json_writer_start_array(w, "argv");
    for (char **word = run->argv; word && *word; word++) {
        json_writer_str(w, NULL, *word);
    }
    json_writer_end_array(w);
    json_writer_end_object(w);
    json = json_writer_get_and_free(w);
    g_string_append_c(json, '\n');
    text = json->str;
    g_string_free(json, false);
    return text;
}
