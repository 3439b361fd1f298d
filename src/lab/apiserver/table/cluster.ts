import type { Lease } from 'kubernetes-types/coordination/v1.d.ts';
import type {
  Event as CoreEvent,
  Namespace,
  Node,
  ResourceQuota,
  ServiceAccount,
} from 'kubernetes-types/core/v1.d.ts';
import type { Event as NewEvent } from 'kubernetes-types/events/v1.d.ts';
import type { ClusterRoleBinding, RoleBinding } from 'kubernetes-types/rbac/v1.d.ts';
import type { PriorityClass } from 'kubernetes-types/scheduling/v1.d.ts';
import { age, column, NONE, type Printer, UNKNOWN, wideColumn } from './printer.ts';

export const namespacePrinter: Printer<Namespace> = {
  columns: [column('Status'), column('Age')],
  cells: ({ metadata, status }, now) => [status?.phase ?? '', age(metadata?.creationTimestamp, now)],
};

export const nodePrinter: Printer<Node> = {
  columns: [
    column('Status'),
    column('Roles'),
    column('Age'),
    column('Version'),
    wideColumn('Internal-IP'),
    wideColumn('External-IP'),
    wideColumn('OS-Image'),
    wideColumn('Kernel-Version'),
    wideColumn('Container-Runtime'),
  ],
  cells: ({ metadata, spec, status }, now) => {
    const ready = status?.conditions?.find(({ type }) => type === 'Ready');
    const words = [ready ? (ready.status === 'True' ? 'Ready' : 'NotReady') : 'Unknown'];
    if (spec?.unschedulable) words.push('SchedulingDisabled');
    const address = (wanted: string): string =>
      status?.addresses?.find(({ type }) => type === wanted)?.address ?? NONE;
    return [
      words.join(','),
      nodeRoles(metadata?.labels ?? {}).join(',') || NONE,
      age(metadata?.creationTimestamp, now),
      status?.nodeInfo?.kubeletVersion ?? '',
      address('InternalIP'),
      address('ExternalIP'),
      status?.nodeInfo?.osImage || UNKNOWN,
      status?.nodeInfo?.kernelVersion || UNKNOWN,
      status?.nodeInfo?.containerRuntimeVersion || UNKNOWN,
    ];
  },
};

const ROLE_PREFIX = 'node-role.kubernetes.io/';

function nodeRoles(labels: Readonly<Record<string, string>>): string[] {
  const roles = Object.entries(labels).map(([key, value]) =>
    key === 'kubernetes.io/role' ? value : key.startsWith(ROLE_PREFIX) ? key.slice(ROLE_PREFIX.length) : '',
  );
  return [...new Set(roles.filter(Boolean))].toSorted();
}

/** An event as the core group or events.k8s.io writes it. */
type AnyEvent = CoreEvent & NewEvent;

export const eventPrinter: Printer<AnyEvent> = {
  columns: [
    column('Last Seen'),
    column('Type'),
    column('Reason'),
    column('Object'),
    wideColumn('Subobject'),
    wideColumn('Source'),
    column('Message'),
    wideColumn('First Seen'),
    wideColumn('Count'),
    wideColumn('Name'),
  ],
  cells: (event, now) => {
    const first = event.firstTimestamp ?? event.deprecatedFirstTimestamp ?? event.eventTime;
    const last =
      event.series?.lastObservedTime ?? event.lastTimestamp ?? event.deprecatedLastTimestamp ?? first;
    const object = event.involvedObject ?? event.regarding;
    const source = event.source ?? event.deprecatedSource;
    const component = source?.component || event.reportingComponent || event.reportingController;
    const host = source?.host || event.reportingInstance;
    return [
      age(last, now),
      event.type ?? '',
      event.reason ?? '',
      `${(object?.kind ?? '').toLowerCase()}/${object?.name ?? ''}`,
      object?.fieldPath ?? '',
      [component, host].filter(Boolean).join(', '),
      (event.message ?? event.note ?? '').trim(),
      age(first, now),
      event.series?.count ?? ((event.count ?? event.deprecatedCount) || 1),
      event.metadata?.name ?? '',
    ];
  },
};

export const serviceAccountPrinter: Printer<ServiceAccount> = {
  columns: [column('Secrets', 'integer'), column('Age')],
  cells: ({ metadata, secrets }, now) => [secrets?.length ?? 0, age(metadata?.creationTimestamp, now)],
};

export const resourceQuotaPrinter: Printer<ResourceQuota> = {
  columns: [column('Request'), column('Limit'), column('Age')],
  cells: ({ metadata, spec, status }, now) => {
    const entries = Object.keys(status?.hard ?? spec?.hard ?? {}).toSorted();
    const show = (names: readonly string[]): string =>
      names
        .map((name) => `${name}: ${status?.used?.[name] ?? '0'}/${(status?.hard ?? spec?.hard)?.[name]}`)
        .join(', ');
    return [
      show(entries.filter((name) => !name.startsWith('limits'))),
      show(entries.filter((name) => name.startsWith('limits'))),
      age(metadata?.creationTimestamp, now),
    ];
  },
};

export const roleBindingPrinter: Printer<RoleBinding | ClusterRoleBinding> = {
  columns: [
    column('Role'),
    column('Age'),
    wideColumn('Users'),
    wideColumn('Groups'),
    wideColumn('ServiceAccounts'),
  ],
  cells: ({ metadata, roleRef, subjects }, now) => {
    const names = (kind: string): string =>
      (subjects ?? [])
        .filter((subject) => subject.kind === kind)
        .map(({ name, namespace }) => (kind === 'ServiceAccount' ? `${namespace}/${name}` : name))
        .join(', ');
    return [
      `${roleRef.kind}/${roleRef.name}`,
      age(metadata?.creationTimestamp, now),
      names('User'),
      names('Group'),
      names('ServiceAccount'),
    ];
  },
};

export const leasePrinter: Printer<Lease> = {
  columns: [column('Holder'), column('Age')],
  cells: ({ metadata, spec }, now) => [spec?.holderIdentity ?? '', age(metadata?.creationTimestamp, now)],
};

export const priorityClassPrinter: Printer<PriorityClass> = {
  columns: [
    column('Value', 'integer'),
    column('Global-Default', 'boolean'),
    column('Age'),
    column('PreemptionPolicy'),
  ],
  cells: ({ metadata, value, globalDefault, preemptionPolicy }, now) => [
    value,
    globalDefault ?? false,
    age(metadata?.creationTimestamp, now),
    preemptionPolicy ?? 'PreemptLowerPriority',
  ],
};
