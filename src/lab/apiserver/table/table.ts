import type { KubeObject } from '../../../model/objects.ts';
import type { ServedKind } from '../registry.ts';
import {
  eventPrinter,
  leasePrinter,
  namespacePrinter,
  nodePrinter,
  priorityClassPrinter,
  resourceQuotaPrinter,
  roleBindingPrinter,
  serviceAccountPrinter,
} from './cluster.ts';
import { type CustomColumn, customPrinter } from './custom.ts';
import {
  endpointSlicePrinter,
  endpointsPrinter,
  ingressClassPrinter,
  ingressPrinter,
  networkPolicyPrinter,
  servicePrinter,
} from './network.ts';
import { podPrinter } from './pods.ts';
import { type Cell, column, type Printer, type TableColumn } from './printer.ts';
import {
  configMapPrinter,
  persistentVolumeClaimPrinter,
  persistentVolumePrinter,
  secretPrinter,
  storageClassPrinter,
} from './storage.ts';
import {
  autoscalerPrinter,
  autoscalerV1Printer,
  controllerRevisionPrinter,
  cronJobPrinter,
  daemonSetPrinter,
  deploymentPrinter,
  disruptionBudgetPrinter,
  jobPrinter,
  podTemplatePrinter,
  replicaSetPrinter,
  replicationControllerPrinter,
  statefulSetPrinter,
} from './workloads.ts';

/** meta.k8s.io Table. */
export interface Table {
  readonly kind: 'Table';
  readonly apiVersion: 'meta.k8s.io/v1' | 'meta.k8s.io/v1beta1';
  readonly metadata: object;
  /** Null in all but the first event of a watch. */
  readonly columnDefinitions: readonly TableColumn[] | null;
  readonly rows: readonly TableRow[];
}

export interface TableRow {
  readonly cells: readonly Cell[];
  /** Null when the request asked for `includeObject=None`. */
  readonly object: object | null;
}

export interface TableOptions {
  /** The request's `includeObject`; Metadata unless told. */
  readonly includeObject?: 'None' | 'Metadata' | 'Object';
  /** The metadata of the list, kept as it is (resourceVersion, continue); a single object's is used without. */
  readonly listMetadata?: object;
  /** `additionalPrinterColumns` of a custom kind's version. */
  readonly customColumns?: readonly CustomColumn[] | undefined;
  /** False for all but the first event of a watch. */
  readonly withColumns?: boolean;
  /** Of meta.k8s.io, as the request's Accept header says; `v1` unless told. */
  readonly version?: 'v1' | 'v1beta1';
  /** The present, for ages. */
  readonly now?: Date;
}

const NAME_COLUMN: TableColumn = { ...column('Name'), format: 'name' };

/** By kind and group; autoscaling has two shapes, by version. Each printer reads the objects of its kind only. */
const printers = new Map<string, Printer>([
  ['ClusterRoleBinding.rbac.authorization.k8s.io', roleBindingPrinter],
  ['ConfigMap', configMapPrinter],
  ['ControllerRevision.apps', controllerRevisionPrinter],
  ['CronJob.batch', cronJobPrinter],
  ['DaemonSet.apps', daemonSetPrinter],
  ['Deployment.apps', deploymentPrinter],
  ['EndpointSlice.discovery.k8s.io', endpointSlicePrinter],
  ['Endpoints', endpointsPrinter],
  ['Event', eventPrinter],
  ['Event.events.k8s.io', eventPrinter],
  ['HorizontalPodAutoscaler.autoscaling', autoscalerPrinter],
  ['HorizontalPodAutoscaler.autoscaling/v1', autoscalerV1Printer],
  ['Ingress.networking.k8s.io', ingressPrinter],
  ['IngressClass.networking.k8s.io', ingressClassPrinter],
  ['Job.batch', jobPrinter],
  ['Lease.coordination.k8s.io', leasePrinter],
  ['Namespace', namespacePrinter],
  ['NetworkPolicy.networking.k8s.io', networkPolicyPrinter],
  ['Node', nodePrinter],
  ['PersistentVolume', persistentVolumePrinter],
  ['PersistentVolumeClaim', persistentVolumeClaimPrinter],
  ['Pod', podPrinter],
  ['PodDisruptionBudget.policy', disruptionBudgetPrinter],
  ['PodTemplate', podTemplatePrinter],
  ['PriorityClass.scheduling.k8s.io', priorityClassPrinter],
  ['ReplicaSet.apps', replicaSetPrinter],
  ['ReplicationController', replicationControllerPrinter],
  ['ResourceQuota', resourceQuotaPrinter],
  ['RoleBinding.rbac.authorization.k8s.io', roleBindingPrinter],
  ['Secret', secretPrinter],
  ['Service', servicePrinter],
  ['ServiceAccount', serviceAccountPrinter],
  ['StatefulSet.apps', statefulSetPrinter],
  ['StorageClass.storage.k8s.io', storageClassPrinter],
] satisfies [string, Printer][]);

/** Built-in kinds without columns of their own. */
const defaultPrinter: Printer<KubeObject> = {
  columns: [column('Created At')],
  cells: ({ metadata }) => [metadata?.creationTimestamp ?? ''],
};

/** Whether a built-in kind has columns of its own beside the name. */
export function hasPrinter(kind: ServedKind): boolean {
  return builtInPrinter(kind) !== undefined;
}

function builtInPrinter({ group, version, kind }: ServedKind): Printer | undefined {
  const name = group === '' ? kind : `${kind}.${group}`;
  return printers.get(`${name}/${version}`) ?? printers.get(name);
}

function printerOf(kind: ServedKind, customColumns: readonly CustomColumn[] | undefined): Printer {
  return kind.custom ? customPrinter(customColumns) : (builtInPrinter(kind) ?? defaultPrinter);
}

/**
 * Objects as `kubectl get` shows them. Every column is sent; kubectl hides those with a priority unless asked for
 * `-o wide`.
 */
export function toTable(kind: ServedKind, objects: readonly KubeObject[], options: TableOptions = {}): Table {
  const {
    includeObject = 'Metadata',
    listMetadata,
    withColumns = true,
    version = 'v1',
    now = new Date(),
  } = options;
  const printer = printerOf(kind, options.customColumns);
  const [first] = objects;
  return {
    kind: 'Table',
    apiVersion: `meta.k8s.io/${version}`,
    metadata: listMetadata ?? { resourceVersion: first?.metadata?.resourceVersion ?? '' },
    columnDefinitions: withColumns ? columnsOf(kind, printer) : null,
    rows: objects.map((object) => {
      const cells = cellsOf(printer, object, now);
      const row = named(kind) ? [object.metadata?.name ?? '', ...cells] : cells;
      return { cells: row, object: rowObject(object, includeObject, version) };
    }),
  };
}

/** An object that lacks what its kind requires (stored before it was checked) must not hide the others. */
function cellsOf(printer: Printer, object: KubeObject, now: Date): Cell[] {
  try {
    // The table above pairs each kind with its printer, so the object has the shape the printer reads.
    return printer.cells(object as never, now);
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    return printer.columns.map(() => '<invalid>');
  }
}

/** Events put their name last, all other kinds first. */
function named(kind: ServedKind): boolean {
  return kind.kind !== 'Event' || kind.custom;
}

function columnsOf(kind: ServedKind, printer: Printer): TableColumn[] {
  if (named(kind)) return [NAME_COLUMN, ...printer.columns];
  return printer.columns.map((one) => (one.name === 'Name' ? { ...one, format: 'name' } : one));
}

function rowObject(
  object: KubeObject,
  include: NonNullable<TableOptions['includeObject']>,
  version: 'v1' | 'v1beta1',
): object | null {
  if (include === 'None') return null;
  if (include === 'Object') return object;
  return {
    kind: 'PartialObjectMetadata',
    apiVersion: `meta.k8s.io/${version}`,
    metadata: object.metadata ?? {},
  };
}
