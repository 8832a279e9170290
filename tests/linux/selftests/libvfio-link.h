/*
 * What the linker is told about the library of the VFIO selftests: what we call
 * of it, and what it calls of us.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef LIBVFIO_LINK_H
#define LIBVFIO_LINK_H

#include <libvfio.h>

/* Their driver of I/OAT, which they build for x86-64 alone. */
extern const struct vfio_pci_driver_ops ioat_ops;

/* Chooses the driver of a device that has none yet, or leaves it without. */
void __real_vfio_pci_driver_probe(struct vfio_pci_device *device);
/* The library calls this one (ld's --wrap). */
void __wrap_vfio_pci_driver_probe(struct vfio_pci_device *device);

#endif
