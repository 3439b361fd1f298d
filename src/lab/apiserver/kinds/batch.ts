/** Jobs and CronJobs. */
import { invalid, notSupported, required, type FieldError } from '../field-error.ts';
import { isObject, objectAt, stringAt, type Loose } from '../json-value.ts';
import type { RuleContext, Strategy } from '../strategy.ts';
import { immutable } from '../validation/metadata.ts';
import { setTemplateDefaults } from './pod-defaults.ts';
import { fill, specOf, validateCounts, validateTemplate } from './workload-rules.ts';

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
