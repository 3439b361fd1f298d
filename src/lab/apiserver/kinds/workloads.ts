/** Deployments, ReplicaSets, StatefulSets, DaemonSets and ReplicationControllers. */
import { forbiddenField, invalid, notSupported, required } from '../field-error.ts';
import { equalJson, isObject, objectAt, stringAt } from '../json-value.ts';
import type { Strategy } from '../strategy.ts';
import { setTemplateDefaults } from './pod-defaults.ts';
import {
  fill,
  isZero,
  selectorStays,
  specOf,
  validateCounts,
  validateIntOrPercent,
  validateSelector,
  validateTemplate,
} from './workload-rules.ts';

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
