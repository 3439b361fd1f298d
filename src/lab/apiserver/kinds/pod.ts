import { forbiddenField, type FieldError } from '../field-error.ts';
import { cloneJson, equalJson, isObject, listAt, objectAt, stringAt, type Loose } from '../json-value.ts';
import type { RuleContext, Strategy } from '../strategy.ts';
import { podSpecWarnings, validatePodSpec } from '../validation/pod-spec.ts';
import { admitPriority, admitServiceAccount, admitTolerations } from './pod-admission.ts';
import { qosClass, setPodDefaults } from './pod-defaults.ts';

function prepareCreate(pod: Loose, context: RuleContext): void {
  const spec = objectAt(pod, 'spec');
  admitServiceAccount(pod, context);
  admitPriority(pod, context);
  admitTolerations(spec);
  pod['status'] = { phase: 'Pending', qosClass: qosClass(spec) };
}

function validate(pod: Loose, { call }: RuleContext): FieldError[] {
  const spec = objectAt(pod, 'spec');
  call.warnings.push(...podSpecWarnings(spec, 'spec'));
  return validatePodSpec(spec, 'spec');
}

const CHANGE_FORBIDDEN =
  'pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,' +
  '`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),' +
  '`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)';

/** The spec with everything put back that may change. */
function fixedPart(spec: Loose, before: Loose): Loose {
  const copy = cloneJson<Loose>(spec);
  for (const member of ['containers', 'initContainers'] as const) {
    const old = listAt(before, member);
    if (listAt(copy, member).length !== old.length) continue;
    for (const [index, container] of listAt(copy, member).entries()) {
      if (isObject(container)) container['image'] = objectAt(old[index])['image'];
    }
  }
  for (const member of ['activeDeadlineSeconds', 'tolerations', 'schedulingGates'] as const) {
    if (before[member] === undefined) delete copy[member];
    else copy[member] = before[member];
  }
  return copy;
}

function validateUpdate(pod: Loose, old: Loose, { call }: RuleContext): FieldError[] {
  // The binding gives the node, the other the containers; neither touches anything else.
  if (call.subresource === 'binding' || call.subresource === 'ephemeralcontainers') return [];
  const [spec, before] = [objectAt(pod, 'spec'), objectAt(old, 'spec')];
  const errors: FieldError[] = [];
  if (!equalJson(fixedPart(spec, before), before)) errors.push(forbiddenField('spec', CHANGE_FORBIDDEN));
  const kept = listAt(before, 'tolerations').every((toleration) =>
    listAt(spec, 'tolerations').some((other) => equalJson(other, toleration)),
  );
  if (!kept) {
    errors.push(
      forbiddenField(
        'spec.tolerations',
        'existing toleration can not be modified except its tolerationSeconds',
      ),
    );
  }
  return errors;
}

const FIELDS = [
  'spec.nodeName',
  'spec.restartPolicy',
  'spec.schedulerName',
  'spec.serviceAccountName',
  'spec.hostNetwork',
  'status.phase',
  'status.podIP',
  'status.podIPs',
  'status.nominatedNodeName',
];

function fieldValue(pod: object, field: string): string | undefined {
  switch (field) {
    case 'spec.hostNetwork':
      return String(objectAt(pod, 'spec')['hostNetwork'] === true);
    case 'status.podIPs':
      return listAt(pod, 'status', 'podIPs')
        .map((entry) => stringAt(entry, 'ip'))
        .join(',');
    default:
      return undefined;
  }
}

export const podStrategy: Strategy = {
  hasStatus: true,
  hasGeneration: true,
  returnsDeleted: true,
  selectable: FIELDS,
  fieldValue,
  setDefaults: setPodDefaults,
  prepareCreate,
  validate,
  validateUpdate,
};
