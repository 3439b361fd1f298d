import type {
  ConfigMap,
  PersistentVolume,
  PersistentVolumeClaim,
  Secret,
} from 'kubernetes-types/core/v1.d.ts';
import type { StorageClass } from 'kubernetes-types/storage/v1.d.ts';
import { age, column, type Printer, wideColumn } from './printer.ts';

export const configMapPrinter: Printer<ConfigMap> = {
  columns: [column('Data', 'integer'), column('Age')],
  cells: ({ metadata, data, binaryData }, now) => [
    Object.keys(data ?? {}).length + Object.keys(binaryData ?? {}).length,
    age(metadata?.creationTimestamp, now),
  ],
};

export const secretPrinter: Printer<Secret> = {
  columns: [column('Type'), column('Data', 'integer'), column('Age')],
  cells: ({ metadata, type, data }, now) => [
    type ?? 'Opaque',
    Object.keys(data ?? {}).length,
    age(metadata?.creationTimestamp, now),
  ],
};

const MODES: Readonly<Record<string, string>> = {
  ReadWriteOnce: 'RWO',
  ReadOnlyMany: 'ROX',
  ReadWriteMany: 'RWX',
  ReadWriteOncePod: 'RWOP',
};

function accessModes(modes: readonly string[] | null | undefined): string {
  return [...new Set(modes)].map((mode) => MODES[mode] ?? mode).join(',');
}

const UNSET = '<unset>';

export const persistentVolumePrinter: Printer<PersistentVolume> = {
  columns: [
    column('Capacity'),
    column('Access Modes'),
    column('Reclaim Policy'),
    column('Status'),
    column('Claim'),
    column('StorageClass'),
    column('VolumeAttributesClass'),
    column('Reason'),
    column('Age'),
    wideColumn('VolumeMode'),
  ],
  cells: ({ metadata, spec, status }, now) => [
    spec?.capacity?.['storage'] ?? '0',
    accessModes(spec?.accessModes),
    spec?.persistentVolumeReclaimPolicy ?? '',
    metadata?.deletionTimestamp ? 'Terminating' : (status?.phase ?? ''),
    spec?.claimRef ? `${spec.claimRef.namespace ?? ''}/${spec.claimRef.name ?? ''}` : '',
    spec?.storageClassName ?? '',
    spec?.volumeAttributesClassName ?? UNSET,
    status?.reason ?? '',
    age(metadata?.creationTimestamp, now),
    spec?.volumeMode ?? UNSET,
  ],
};

export const persistentVolumeClaimPrinter: Printer<PersistentVolumeClaim> = {
  columns: [
    column('Status'),
    column('Volume'),
    column('Capacity'),
    column('Access Modes'),
    column('StorageClass'),
    column('VolumeAttributesClass'),
    column('Age'),
    wideColumn('VolumeMode'),
  ],
  cells: ({ metadata, spec, status }, now) => {
    const bound = Boolean(spec?.volumeName);
    return [
      metadata?.deletionTimestamp ? 'Terminating' : (status?.phase ?? ''),
      spec?.volumeName ?? '',
      bound ? (status?.capacity?.['storage'] ?? '0') : '',
      bound ? accessModes(status?.accessModes) : '',
      spec?.storageClassName ?? '',
      spec?.volumeAttributesClassName ?? UNSET,
      age(metadata?.creationTimestamp, now),
      spec?.volumeMode ?? UNSET,
    ];
  },
};

export const storageClassPrinter: Printer<StorageClass> = {
  columns: [
    column('Provisioner'),
    column('ReclaimPolicy'),
    column('VolumeBindingMode'),
    column('AllowVolumeExpansion', 'boolean'),
    column('Age'),
  ],
  cells: ({ metadata, provisioner, reclaimPolicy, volumeBindingMode, allowVolumeExpansion }, now) => [
    provisioner,
    reclaimPolicy ?? 'Delete',
    volumeBindingMode ?? 'Immediate',
    allowVolumeExpansion ?? false,
    age(metadata?.creationTimestamp, now),
  ],
};
