/** Deployments, ReplicaSets, StatefulSets, DaemonSets, ReplicationControllers, Jobs and CronJobs. */
import {
  compileLabelSelector,
  matchesSelector,
  SelectorSyntaxError,
  type Labels,
} from '../../../model/selectors.ts';
import { forbiddenField, invalid, notSupported, required, type FieldError } from '../field-error.ts';
import { equalJson, isObject, objectAt, stringAt, type Loose } from '../json-value.ts';
import type { RuleContext, Strategy } from '../strategy.ts';
import { immutable, validateAnnotations, validateLabels } from '../validation/metadata.ts';
import { podSpecWarnings, validatePodSpec } from '../validation/pod-spec.ts';
import { setTemplateDefaults } from './pod-defaults.ts';

function specOf(object: Loose): Loose {
  return (object['spec'] ??= {}) as Loose;
}

/** Fills what is missing of `target`, one level deep. */
function fill(target: Loose, defaults: Loose): void {
  for (const [name, value] of Object.entries(defaults)) target[name] ??= structuredClone(value);
}

function validateTemplate(
  spec: Loose,
  {
    at = 'spec',
    restartPolicies = ['Always'],
    warnings,
  }: { at?: string; restartPolicies?: readonly string[]; warnings: string[] },
): FieldError[] {
  const template = spec['template'];
  if (!isObject(template)) return [required(`${at}.template`)];
  const place = `${at}.template`;
  const podSpec = objectAt(template, 'spec');
  warnings.push(...podSpecWarnings(podSpec, `${place}.spec`));
  const errors = [
    ...validateLabels(objectAt(template, 'metadata')['labels'], `${place}.labels`),
    ...validateAnnotations(objectAt(template, 'metadata')['annotations'], `${place}.annotations`),
    ...validatePodSpec(podSpec, `${place}.spec`),
  ];
  const policy = stringAt(podSpec, 'restartPolicy');
  const known = ['Always', 'Never', 'OnFailure'].includes(policy);
  if (known && !restartPolicies.includes(policy)) {
    errors.push(notSupported(`${place}.spec.restartPolicy`, policy, restartPolicies));
  }
  return errors;
}

function validateSelector(spec: Loose, workload: string): FieldError[] {
  const { selector } = spec;
  if (!isObject(selector)) return [required('spec.selector')];
  const errors: FieldError[] = [];
  try {
    const compiled = compileLabelSelector(selector) ?? [];
    if (compiled.length === 0) {
      errors.push(invalid('spec.selector', selector, `empty selector is invalid for ${workload}`));
    }
    const labels = objectAt(spec, 'template', 'metadata', 'labels') as Labels;
    if (isObject(spec['template']) && !matchesSelector(compiled, labels)) {
      errors.push(
        invalid('spec.template.metadata.labels', labels, '`selector` does not match template `labels`'),
      );
    }
  } catch (error) {
    if (!(error instanceof SelectorSyntaxError)) throw error;
    errors.push(invalid('spec.selector', selector, error.message));
  }
  return errors;
}

function validateCounts(spec: Loose, names: readonly string[]): FieldError[] {
  return names.flatMap((name) => {
    const value = spec[name];
    return typeof value === 'number' && value < 0
      ? [invalid(`spec.${name}`, value, 'must be greater than or equal to 0')]
      : [];
  });
}

/** A whole number or a percentage. */
function isZero(value: unknown): boolean {
  return value === 0 || (typeof value === 'string' && /^0*%$/u.test(value));
}

function validateIntOrPercent(value: unknown, field: string): FieldError[] {
  if (typeof value === 'number')
    return value < 0 ? [invalid(field, value, 'must be greater than or equal to 0')] : [];
  if (typeof value !== 'string') return [];
  if (/^\d+%$/u.test(value)) return [];
  return [
    invalid(
      field,
      value,
      "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')",
    ),
  ];
}

export const deploymentStrategy: Strategy = {
  hasStatus: true,
  hasGeneration: true,
  setDefaults(object) {
    const spec = specOf(object);
    fill(spec, { replicas: 1, strategy: {}, revisionHistoryLimit: 10, progressDeadlineSeconds: 600 });
    const strategy = objectAt(spec, 'strategy');
    strategy['type'] ??= 'RollingUpdate';
    if (strategy['type'] === 'RollingUpdate') {
      fill(strategy, { rollingUpdate: {} });
      fill(objectAt(strategy, 'rollingUpdate'), { maxUnavailable: '25%', maxSurge: '25%' });
    }
    setTemplateDefaults(spec['template']);
  },
  validate(object, { call }) {
    const spec = specOf(object);
    const strategy = objectAt(spec, 'strategy');
    const errors = [
      ...validateCounts(spec, [
        'replicas',
        'minReadySeconds',
        'revisionHistoryLimit',
        'progressDeadlineSeconds',
      ]),
      ...validateSelector(spec, 'deployment'),
      ...validateTemplate(spec, { warnings: call.warnings }),
    ];
    const at = 'spec.strategy';
    if (strategy['type'] === 'Recreate') {
      if (strategy['rollingUpdate'] !== undefined) {
        errors.push(
          forbiddenField(`${at}.rollingUpdate`, "may not be specified when strategy `type` is 'Recreate'"),
        );
      }
    } else if (strategy['type'] === 'RollingUpdate') {
      const { maxUnavailable, maxSurge } = objectAt(strategy, 'rollingUpdate');
      errors.push(...validateIntOrPercent(maxUnavailable, `${at}.rollingUpdate.maxUnavailable`));
      errors.push(...validateIntOrPercent(maxSurge, `${at}.rollingUpdate.maxSurge`));
      if (isZero(maxUnavailable) && isZero(maxSurge)) {
        errors.push(
          invalid(`${at}.rollingUpdate.maxUnavailable`, maxUnavailable, 'may not be 0 when `maxSurge` is 0'),
        );
      }
    } else {
      errors.push(notSupported(`${at}.type`, strategy['type'], ['Recreate', 'RollingUpdate']));
    }
    const { progressDeadlineSeconds: deadline, minReadySeconds = 0 } = spec;
    if (typeof deadline === 'number' && deadline <= Number(minReadySeconds)) {
      errors.push(invalid('spec.progressDeadlineSeconds', deadline, 'must be greater than minReadySeconds'));
    }
    return errors;
  },
  validateUpdate: (object, old) => selectorStays(object, old),
};

function selectorStays(object: Loose, old: Loose): FieldError[] {
  return immutable('spec.selector', specOf(object)['selector'], objectAt(old, 'spec')['selector']);
}

export const replicaSetStrategy: Strategy = {
  hasStatus: true,
  hasGeneration: true,
  selectable: ['status.replicas'],
  setDefaults(object) {
    const spec = specOf(object);
    fill(spec, { replicas: 1 });
    setTemplateDefaults(spec['template']);
  },
  validate(object, { call }) {
    const spec = specOf(object);
    return [
      ...validateCounts(spec, ['replicas', 'minReadySeconds']),
      ...validateSelector(spec, 'replicaset'),
      ...validateTemplate(spec, { warnings: call.warnings }),
    ];
  },
  validateUpdate: (object, old) => selectorStays(object, old),
};

const STATEFUL_MAY_CHANGE = [
  'replicas',
  'ordinals',
  'template',
  'updateStrategy',
  'revisionHistoryLimit',
  'persistentVolumeClaimRetentionPolicy',
  'minReadySeconds',
];

export const statefulSetStrategy: Strategy = {
  hasStatus: true,
  hasGeneration: true,
  setDefaults(object) {
    const spec = specOf(object);
    fill(spec, {
      replicas: 1,
      podManagementPolicy: 'OrderedReady',
      updateStrategy: {},
      revisionHistoryLimit: 10,
      persistentVolumeClaimRetentionPolicy: {},
    });
    fill(objectAt(spec, 'persistentVolumeClaimRetentionPolicy'), {
      whenDeleted: 'Retain',
      whenScaled: 'Retain',
    });
    const strategy = objectAt(spec, 'updateStrategy');
    strategy['type'] ??= 'RollingUpdate';
    if (strategy['type'] === 'RollingUpdate') {
      fill(strategy, { rollingUpdate: {} });
      fill(objectAt(strategy, 'rollingUpdate'), { partition: 0 });
    }
    setTemplateDefaults(spec['template']);
  },
  validate(object, { call }) {
    const spec = specOf(object);
    const policies = ['OrderedReady', 'Parallel'];
    const errors = [
      ...validateCounts(spec, ['replicas', 'minReadySeconds', 'revisionHistoryLimit']),
      ...validateSelector(spec, 'statefulset'),
      ...validateTemplate(spec, { warnings: call.warnings }),
    ];
    if (!policies.includes(stringAt(spec, 'podManagementPolicy'))) {
      errors.push(notSupported('spec.podManagementPolicy', spec['podManagementPolicy'], policies));
    }
    return errors;
  },
  validateUpdate(object, old) {
    const before = objectAt(old, 'spec');
    const fixed = Object.fromEntries(
      Object.entries(specOf(object)).map(([name, value]) => [
        name,
        STATEFUL_MAY_CHANGE.includes(name) ? before[name] : value,
      ]),
    );
    const oldFixed = { ...before };
    for (const name of STATEFUL_MAY_CHANGE) if (!(name in fixed)) delete oldFixed[name];
    return equalJson(fixed, oldFixed)
      ? []
      : [
          forbiddenField(
            'spec',
            "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden",
          ),
        ];
  },
};

export const daemonSetStrategy: Strategy = {
  hasStatus: true,
  hasGeneration: true,
  setDefaults(object) {
    const spec = specOf(object);
    fill(spec, { updateStrategy: {}, revisionHistoryLimit: 10 });
    const strategy = objectAt(spec, 'updateStrategy');
    strategy['type'] ??= 'RollingUpdate';
    if (strategy['type'] === 'RollingUpdate') {
      fill(strategy, { rollingUpdate: {} });
      fill(objectAt(strategy, 'rollingUpdate'), { maxUnavailable: 1, maxSurge: 0 });
    }
    setTemplateDefaults(spec['template']);
  },
  validate(object, { call }) {
    const spec = specOf(object);
    return [
      ...validateCounts(spec, ['minReadySeconds', 'revisionHistoryLimit']),
      ...validateSelector(spec, 'daemonset'),
      ...validateTemplate(spec, { warnings: call.warnings }),
    ];
  },
  validateUpdate: (object, old) => selectorStays(object, old),
};

export const replicationControllerStrategy: Strategy = {
  hasStatus: true,
  hasGeneration: true,
  selectable: ['status.replicas'],
  setDefaults(object) {
    const spec = specOf(object);
    fill(spec, { replicas: 1 });
    const labels = objectAt(spec, 'template', 'metadata')['labels'];
    if (isObject(labels)) {
      fill(spec, { selector: labels });
      const metadata = objectAt(object, 'metadata');
      fill(metadata, { labels });
    }
    setTemplateDefaults(spec['template']);
  },
  validate(object, { call }) {
    const spec = specOf(object);
    const errors = [
      ...validateCounts(spec, ['replicas', 'minReadySeconds']),
      ...validateTemplate(spec, { warnings: call.warnings }),
    ];
    const selector = objectAt(spec, 'selector');
    if (Object.keys(selector).length === 0) errors.push(required('spec.selector'));
    const labels = objectAt(spec, 'template', 'metadata', 'labels');
    if (Object.entries(selector).some(([key, value]) => labels[key] !== value)) {
      errors.push(
        invalid('spec.template.metadata.labels', labels, '`selector` does not match template `labels`'),
      );
    }
    return errors;
  },
};

const UID_LABEL = 'batch.kubernetes.io/controller-uid';
const NAME_LABEL = 'batch.kubernetes.io/job-name';

/** A job selects its pods by its own uid unless `manualSelector` says otherwise. */
function selectOwnPods(object: Loose, { call: _call }: RuleContext): void {
  const spec = specOf(object);
  const template = spec['template'];
  if (spec['manualSelector'] === true || !isObject(template)) return;
  const { uid, name } = objectAt(object, 'metadata');
  const metadata = (template['metadata'] ??= {}) as Loose;
  metadata['labels'] = {
    ...objectAt(metadata, 'labels'),
    [UID_LABEL]: uid,
    [NAME_LABEL]: name,
    'controller-uid': uid,
    'job-name': name,
  };
  spec['selector'] = { matchLabels: { [UID_LABEL]: uid } };
}

function setJobSpecDefaults(spec: Loose): void {
  if (spec['completions'] === undefined && spec['parallelism'] === undefined) fill(spec, { completions: 1 });
  fill(spec, {
    parallelism: 1,
    backoffLimit: 6,
    completionMode: 'NonIndexed',
    suspend: false,
    podReplacementPolicy: 'TerminatingOrFailed',
  });
  setTemplateDefaults(spec['template']);
}

export const jobStrategy: Strategy = {
  hasStatus: true,
  hasGeneration: true,
  selectable: ['status.successful'],
  setDefaults: (object) => setJobSpecDefaults(specOf(object)),
  prepareCreate: selectOwnPods,
  validate(object, { call }) {
    const spec = specOf(object);
    return [
      ...validateCounts(spec, ['parallelism', 'completions', 'backoffLimit', 'ttlSecondsAfterFinished']),
      ...jobTemplateErrors(spec, 'spec', call.warnings),
    ];
  },
  validateUpdate(object, old) {
    const [spec, before] = [specOf(object), objectAt(old, 'spec')];
    return [
      ...immutable('spec.selector', spec['selector'], before['selector']),
      ...(before['suspend'] === true ? [] : immutable('spec.template', spec['template'], before['template'])),
      ...immutable('spec.completionMode', spec['completionMode'], before['completionMode']),
    ];
  },
};

function jobTemplateErrors(spec: Loose, at: string, warnings: string[]): FieldError[] {
  const errors = validateTemplate(spec, { at, restartPolicies: ['Always', 'Never', 'OnFailure'], warnings });
  if (stringAt(spec, 'template', 'spec', 'restartPolicy') === 'Always') {
    errors.push({
      field: `${at}.template.spec.restartPolicy`,
      reason: 'FieldValueRequired',
      message: 'Required value: valid values: "OnFailure", "Never"',
    });
  }
  return errors;
}

export const cronJobStrategy: Strategy = {
  hasStatus: true,
  hasGeneration: true,
  setDefaults(object) {
    const spec = specOf(object);
    fill(spec, {
      concurrencyPolicy: 'Allow',
      suspend: false,
      successfulJobsHistoryLimit: 3,
      failedJobsHistoryLimit: 1,
    });
    const template = objectAt(spec, 'jobTemplate');
    // Only the pods' part: a job's own defaults come when the job is made.
    setTemplateDefaults(objectAt(template, 'spec')['template']);
  },
  validate(object, { call }) {
    const spec = specOf(object);
    const errors: FieldError[] = [];
    const schedule = stringAt(spec, 'schedule');
    if (schedule === '') errors.push(required('spec.schedule'));
    else if (
      !/^(?:@(?:yearly|annually|monthly|weekly|daily|midnight|hourly)|@every \S+|\S+(?:\s+\S+){4})$/u.test(
        schedule.trim(),
      )
    ) {
      const fields = schedule.trim().split(/\s+/u);
      errors.push(
        invalid(
          'spec.schedule',
          schedule,
          `expected exactly 5 fields, found ${fields.length}: ${JSON.stringify(fields)}`,
        ),
      );
    }
    const policies = ['Allow', 'Forbid', 'Replace'];
    if (!policies.includes(stringAt(spec, 'concurrencyPolicy'))) {
      errors.push(notSupported('spec.concurrencyPolicy', spec['concurrencyPolicy'], policies));
    }
    errors.push(
      ...jobTemplateErrors(objectAt(spec, 'jobTemplate', 'spec'), 'spec.jobTemplate.spec', call.warnings),
    );
    return errors;
  },
};
