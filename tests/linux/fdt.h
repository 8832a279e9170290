/*
 * Changes to a flattened devicetree, for the kernel that is started by hand.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef LU_LINUX_FDT_H
#define LU_LINUX_FDT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The bytes as they stand in the tree, so numbers are big-endian. */
typedef struct FdtProperty {
    const char *name;
    const void *value;
    size_t len;
} FdtProperty;

/*
 * Copy @tree to @to with these properties in /chosen, in place of those of
 * the same name.  The size of the copy in bytes, or 0 if @tree is not a
 * devicetree or the copy is larger than @size.
 */
size_t fdt_set_chosen(const uint8_t *tree, size_t tree_size,
                      const FdtProperty *props, size_t n, uint8_t *to,
                      size_t size);

#endif
