import type {
  ControllerRevision,
  DaemonSet,
  Deployment,
  ReplicaSet,
  StatefulSet,
} from 'kubernetes-types/apps/v1.d.ts';
import type { HorizontalPodAutoscaler as AutoscalerV1 } from 'kubernetes-types/autoscaling/v1.d.ts';
import type {
  HorizontalPodAutoscaler,
  MetricTarget,
  MetricValueStatus,
} from 'kubernetes-types/autoscaling/v2.d.ts';
import type { CronJob, Job } from 'kubernetes-types/batch/v1.d.ts';
import type { PodTemplate, ReplicationController } from 'kubernetes-types/core/v1.d.ts';
import type { PodDisruptionBudget } from 'kubernetes-types/policy/v1.d.ts';
import {
  age,
  column,
  containerCells,
  formatDuration,
  formatLabels,
  formatSelector,
  formatSome,
  NONE,
  type Printer,
  UNKNOWN,
  wideColumn,
} from './printer.ts';

const TEMPLATE_COLUMNS = [wideColumn('Containers'), wideColumn('Images')];
const SELECTED_COLUMNS = [...TEMPLATE_COLUMNS, wideColumn('Selector')];
const REPLICA_COLUMNS = [
  column('Desired', 'integer'),
  column('Current', 'integer'),
  column('Ready', 'integer'),
  column('Age'),
  ...SELECTED_COLUMNS,
];

export const deploymentPrinter: Printer<Deployment> = {
  columns: [
    column('Ready'),
    column('Up-to-date', 'integer'),
    column('Available', 'integer'),
    column('Age'),
    ...SELECTED_COLUMNS,
  ],
  cells: ({ metadata, spec, status }, now) => [
    `${status?.readyReplicas ?? 0}/${spec?.replicas ?? 1}`,
    status?.updatedReplicas ?? 0,
    status?.availableReplicas ?? 0,
    age(metadata?.creationTimestamp, now),
    ...containerCells(spec?.template.spec?.containers),
    formatSelector(spec?.selector),
  ],
};

export const replicaSetPrinter: Printer<ReplicaSet> = {
  columns: REPLICA_COLUMNS,
  cells: ({ metadata, spec, status }, now) => [
    spec?.replicas ?? 1,
    status?.replicas ?? 0,
    status?.readyReplicas ?? 0,
    age(metadata?.creationTimestamp, now),
    ...containerCells(spec?.template?.spec?.containers),
    formatSelector(spec?.selector),
  ],
};

export const replicationControllerPrinter: Printer<ReplicationController> = {
  columns: REPLICA_COLUMNS,
  cells: ({ metadata, spec, status }, now) => [
    spec?.replicas ?? 1,
    status?.replicas ?? 0,
    status?.readyReplicas ?? 0,
    age(metadata?.creationTimestamp, now),
    ...containerCells(spec?.template?.spec?.containers),
    formatLabels(spec?.selector),
  ],
};

export const statefulSetPrinter: Printer<StatefulSet> = {
  columns: [column('Ready'), column('Age'), ...TEMPLATE_COLUMNS],
  cells: ({ metadata, spec, status }, now) => [
    `${status?.readyReplicas ?? 0}/${spec?.replicas ?? 1}`,
    age(metadata?.creationTimestamp, now),
    ...containerCells(spec?.template.spec?.containers),
  ],
};

export const daemonSetPrinter: Printer<DaemonSet> = {
  columns: [
    column('Desired', 'integer'),
    column('Current', 'integer'),
    column('Ready', 'integer'),
    column('Up-to-date', 'integer'),
    column('Available', 'integer'),
    column('Node Selector'),
    column('Age'),
    ...SELECTED_COLUMNS,
  ],
  cells: ({ metadata, spec, status }, now) => [
    status?.desiredNumberScheduled ?? 0,
    status?.currentNumberScheduled ?? 0,
    status?.numberReady ?? 0,
    status?.updatedNumberScheduled ?? 0,
    status?.numberAvailable ?? 0,
    formatLabels(spec?.template.spec?.nodeSelector),
    age(metadata?.creationTimestamp, now),
    ...containerCells(spec?.template.spec?.containers),
    formatSelector(spec?.selector),
  ],
};

export const jobPrinter: Printer<Job> = {
  columns: [column('Status'), column('Completions'), column('Duration'), column('Age'), ...SELECTED_COLUMNS],
  cells: (job, now) => [
    jobStatus(job),
    jobCompletions(job),
    jobDuration(job, now),
    age(job.metadata?.creationTimestamp, now),
    ...containerCells(job.spec?.template.spec?.containers),
    formatSelector(job.spec?.selector),
  ],
};

function jobStatus({ metadata, status }: Job): string {
  const holds = (type: string): boolean =>
    status?.conditions?.some((condition) => condition.type === type && condition.status === 'True') === true;
  if (holds('Complete')) return 'Complete';
  if (holds('Failed')) return 'Failed';
  if (metadata?.deletionTimestamp) return 'Terminating';
  return ['Suspended', 'FailureTarget', 'SuccessCriteriaMet'].find(holds) ?? 'Running';
}

function jobCompletions({ spec, status }: Job): string {
  const succeeded = status?.succeeded ?? 0;
  if (spec?.completions !== undefined && spec.completions !== null) return `${succeeded}/${spec.completions}`;
  const parallelism = spec?.parallelism ?? 1;
  return parallelism > 1 ? `${succeeded}/1 of ${parallelism}` : `${succeeded}/1`;
}

function jobDuration({ status }: Job, now: Date): string {
  if (!status?.startTime) return '';
  const end = status.completionTime ? Date.parse(status.completionTime) : now.getTime();
  return formatDuration(end - Date.parse(status.startTime));
}

export const cronJobPrinter: Printer<CronJob> = {
  columns: [
    column('Schedule'),
    column('Timezone'),
    column('Suspend'),
    column('Active', 'integer'),
    column('Last Schedule'),
    column('Age'),
    ...SELECTED_COLUMNS,
  ],
  cells: ({ metadata, spec, status }, now) => [
    spec?.schedule ?? '',
    spec?.timeZone ?? NONE,
    spec?.suspend ? 'True' : 'False',
    status?.active?.length ?? 0,
    status?.lastScheduleTime ? age(status.lastScheduleTime, now) : NONE,
    age(metadata?.creationTimestamp, now),
    ...containerCells(spec?.jobTemplate.spec?.template.spec?.containers),
    formatSelector(spec?.jobTemplate.spec?.selector),
  ],
};

export const podTemplatePrinter: Printer<PodTemplate> = {
  columns: [column('Containers'), column('Images'), column('Pod Labels')],
  cells: ({ template }) => [
    ...containerCells(template?.spec?.containers),
    formatLabels(template?.metadata?.labels),
  ],
};

export const controllerRevisionPrinter: Printer<ControllerRevision> = {
  columns: [column('Controller'), column('Revision', 'integer'), column('Age')],
  cells: ({ metadata, revision }, now) => {
    const owner = metadata?.ownerReferences?.find(({ controller }) => controller);
    const group = owner?.apiVersion.includes('/') ? `.${owner.apiVersion.split('/')[0]}` : '';
    return [
      owner ? `${owner.kind.toLowerCase()}${group}/${owner.name}` : NONE,
      revision,
      age(metadata?.creationTimestamp, now),
    ];
  },
};

export const disruptionBudgetPrinter: Printer<PodDisruptionBudget> = {
  columns: [
    column('Min Available'),
    column('Max Unavailable'),
    column('Allowed Disruptions', 'integer'),
    column('Age'),
  ],
  cells: ({ metadata, spec, status }, now) => [
    String(spec?.minAvailable ?? 'N/A'),
    String(spec?.maxUnavailable ?? 'N/A'),
    status?.disruptionsAllowed ?? 0,
    age(metadata?.creationTimestamp, now),
  ],
};

const AUTOSCALER_COLUMNS = [
  column('Reference'),
  column('Targets'),
  column('MinPods'),
  column('MaxPods'),
  column('Replicas'),
  column('Age'),
];

export const autoscalerPrinter: Printer<HorizontalPodAutoscaler> = {
  columns: AUTOSCALER_COLUMNS,
  cells: ({ metadata, spec, status }, now) => [
    `${spec?.scaleTargetRef.kind}/${spec?.scaleTargetRef.name}`,
    metricTargets(spec, status),
    String(spec?.minReplicas ?? '<unset>'),
    spec?.maxReplicas ?? 0,
    status?.currentReplicas ?? 0,
    age(metadata?.creationTimestamp, now),
  ],
};

function metricTargets(
  spec: HorizontalPodAutoscaler['spec'],
  status: HorizontalPodAutoscaler['status'],
): string {
  const metrics = spec?.metrics ?? [];
  if (metrics.length === 0) return NONE;
  const shown = metrics.map((metric, i) => {
    const found = status?.currentMetrics?.[i];
    switch (metric.type) {
      case 'Resource':
        return `${metric.resource?.name}: ${reading(metric.resource?.target, found?.resource?.current)}`;
      case 'ContainerResource':
        return `${metric.containerResource?.name}: ${reading(metric.containerResource?.target, found?.containerResource?.current)}`;
      case 'Pods':
        return reading(metric.pods?.target, found?.pods?.current);
      case 'Object':
        return reading(metric.object?.target, found?.object?.current);
      case 'External':
        return reading(metric.external?.target, found?.external?.current);
      default:
        return '<unknown type>';
    }
  });
  return formatSome(shown, 2, ', ');
}

/** `12%/80%`, `120m/500m (avg)`. */
function reading(target: MetricTarget | undefined, current: MetricValueStatus | undefined): string {
  if (target?.averageValue) return `${current?.averageValue ?? UNKNOWN}/${target.averageValue} (avg)`;
  if (target?.value) return `${current?.value ?? UNKNOWN}/${target.value}`;
  const used = current?.averageUtilization;
  return `${used === undefined ? UNKNOWN : `${used}%`}/${target?.averageUtilization === undefined ? '<auto>' : `${target.averageUtilization}%`}`;
}

export const autoscalerV1Printer: Printer<AutoscalerV1> = {
  columns: AUTOSCALER_COLUMNS,
  cells: ({ metadata, spec, status }, now) => [
    `${spec?.scaleTargetRef.kind}/${spec?.scaleTargetRef.name}`,
    spec?.targetCPUUtilizationPercentage === undefined
      ? NONE
      : `cpu: ${status?.currentCPUUtilizationPercentage === undefined ? UNKNOWN : `${status.currentCPUUtilizationPercentage}%`}/${spec.targetCPUUtilizationPercentage}%`,
    String(spec?.minReplicas ?? '<unset>'),
    spec?.maxReplicas ?? 0,
    status?.currentReplicas ?? 0,
    age(metadata?.creationTimestamp, now),
  ],
};
