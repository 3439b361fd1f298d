/** The small kinds: namespaces, nodes, config maps, secrets, volumes, roles and the like. */
import { forbiddenField, invalid, required, tooLong, type FieldError } from '../field-error.ts';
import { equalJson, isObject, listAt, objectAt, stringAt, type Loose } from '../json-value.ts';
import type { Strategy } from '../strategy.ts';
import { immutable } from '../validation/metadata.ts';

const NAME_LABEL = 'kubernetes.io/metadata.name';
const MAX_DATA_BYTES = 1024 * 1024;

export const namespaceStrategy: Strategy = {
  hasStatus: true,
  selectable: ['status.phase'],
  prepareCreate(object) {
    const spec = (object['spec'] ??= {}) as Loose;
    const finalizers = listAt(spec, 'finalizers');
    spec['finalizers'] = finalizers.includes('kubernetes') ? finalizers : [...finalizers, 'kubernetes'];
    object['status'] = { phase: 'Active' };
    labelWithName(object);
  },
  prepareUpdate(object, old, { call }) {
    if (call.subresource !== 'finalize') object['spec'] = old['spec'];
    labelWithName(object);
  },
};

function labelWithName(object: Loose): void {
  const metadata = objectAt(object, 'metadata');
  metadata['labels'] = { ...objectAt(metadata, 'labels'), [NAME_LABEL]: metadata['name'] };
}

export const nodeStrategy: Strategy = {
  hasStatus: true,
  createOnUpdate: false,
  selectable: ['spec.unschedulable'],
  fieldValue: (object, field) =>
    field === 'spec.unschedulable' ? String(objectAt(object, 'spec')['unschedulable'] === true) : undefined,
  setDefaults(object) {
    const spec = (object['spec'] ??= {}) as Loose;
    const { podCIDR, podCIDRs } = spec;
    if (typeof podCIDR === 'string' && podCIDR !== '' && podCIDRs === undefined) spec['podCIDRs'] = [podCIDR];
    if (podCIDR === undefined && Array.isArray(podCIDRs) && podCIDRs.length > 0)
      spec['podCIDR'] = (podCIDRs as unknown[])[0];
    const status = object['status'];
    if (isObject(status) && status['allocatable'] === undefined && status['capacity'] !== undefined) {
      object['status'] = { ...status, allocatable: status['capacity'] };
    }
    for (const taint of listAt(spec, 'taints').filter(isObject)) {
      if (taint['effect'] === undefined) taint['effect'] = '';
    }
  },
  validateUpdate(object, old) {
    const before = objectAt(old, 'spec')['podCIDRs'];
    if (before === undefined || equalJson(objectAt(object, 'spec')['podCIDRs'], before)) return [];
    return [forbiddenField('spec.podCIDRs', 'node updates may not change podCIDR except from "" to valid')];
  },
};

const DATA_KEY = /^[-._a-zA-Z0-9]{1,253}$/u;
const KEY_PROBLEM =
  "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')";

function validateData(object: Loose, members: readonly string[], field: string): FieldError[] {
  const errors: FieldError[] = [];
  let size = 0;
  for (const member of members) {
    for (const [key, value] of Object.entries(objectAt(object, member))) {
      if (!DATA_KEY.test(key) || key === '.' || key === '..')
        errors.push(invalid(`${member}[${key}]`, key, KEY_PROBLEM));
      size += String(value).length;
    }
  }
  if (size > MAX_DATA_BYTES * (field === 'data' ? 4 / 3 : 1)) errors.push(tooLong(field, MAX_DATA_BYTES));
  return errors;
}

function validateImmutable(object: Loose, old: Loose, members: readonly string[]): FieldError[] {
  if (old['immutable'] !== true) return [];
  const errors: FieldError[] = [];
  if (object['immutable'] !== true)
    errors.push(forbiddenField('immutable', 'field is immutable when `immutable` is set'));
  for (const member of members) {
    if (!equalJson(object[member], old[member]))
      errors.push(forbiddenField(member, 'field is immutable when `immutable` is set'));
  }
  return errors;
}

export const configMapStrategy: Strategy = {
  validate(object) {
    const errors = validateData(object, ['data', 'binaryData'], '');
    for (const key of Object.keys(objectAt(object, 'binaryData'))) {
      if (Object.hasOwn(objectAt(object, 'data'), key))
        errors.push(invalid(`data[${key}]`, key, `duplicate of key present in binaryData`));
    }
    return errors;
  },
  validateUpdate: (object, old) => validateImmutable(object, old, ['data', 'binaryData']),
};

const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/u;

export const secretStrategy: Strategy = {
  selectable: ['type'],
  setDefaults(object) {
    object['type'] ??= 'Opaque';
    const plain = objectAt(object, 'stringData');
    if (Object.keys(plain).length > 0) {
      const data = Object.entries(plain).map(([key, value]) => [
        key,
        Buffer.from(String(value)).toString('base64'),
      ]);
      object['data'] = { ...objectAt(object, 'data'), ...(Object.fromEntries(data) as Loose) };
    }
    delete object['stringData'];
  },
  validate(object) {
    const errors = validateData(object, ['data'], 'data');
    for (const [key, value] of Object.entries(objectAt(object, 'data'))) {
      if (!BASE64.test(String(value)))
        errors.push(invalid(`data[${key}]`, '<secret contents redacted>', 'must be base64 encoded'));
    }
    if (object['type'] === 'kubernetes.io/tls') {
      for (const key of ['tls.crt', 'tls.key']) {
        if (!Object.hasOwn(objectAt(object, 'data'), key)) errors.push(required(`data[${key}]`));
      }
    }
    return errors;
  },
  validateUpdate: (object, old) => [
    ...validateImmutable(object, old, ['data']),
    ...immutable('type', object['type'], old['type']),
  ],
};

export const serviceAccountStrategy: Strategy = { returnsDeleted: true };

export const eventStrategy: Strategy = {
  createOnUpdate: true,
  selectable: [
    'involvedObject.kind',
    'involvedObject.namespace',
    'involvedObject.name',
    'involvedObject.uid',
    'involvedObject.apiVersion',
    'involvedObject.resourceVersion',
    'involvedObject.fieldPath',
    'reason',
    'reportingComponent',
    'source',
    'type',
  ],
  fieldValue: (object, field) => (field === 'source' ? stringAt(object, 'source', 'component') : undefined),
  validate(object) {
    const namespace = stringAt(object, 'involvedObject', 'namespace');
    const own = stringAt(object, 'metadata', 'namespace');
    const fits = namespace === own || (namespace === '' && own === 'default');
    return fits ? [] : [invalid('involvedObject.namespace', namespace, 'does not match event.namespace')];
  },
};

export const claimStrategy: Strategy = {
  hasStatus: true,
  returnsDeleted: true,
  setDefaults(object) {
    const spec = (object['spec'] ??= {}) as Loose;
    spec['volumeMode'] ??= 'Filesystem';
  },
  prepareCreate(object) {
    object['status'] = { phase: 'Pending' };
  },
};

export const volumeStrategy: Strategy = {
  hasStatus: true,
  returnsDeleted: true,
  setDefaults(object) {
    const spec = (object['spec'] ??= {}) as Loose;
    spec['persistentVolumeReclaimPolicy'] ??= 'Retain';
    spec['volumeMode'] ??= 'Filesystem';
  },
  prepareCreate(object) {
    object['status'] = { phase: 'Pending' };
  },
};

export const storageClassStrategy: Strategy = {
  setDefaults(object) {
    object['reclaimPolicy'] ??= 'Delete';
    object['volumeBindingMode'] ??= 'Immediate';
  },
  validate: (object) => (stringAt(object, 'provisioner') === '' ? [required('provisioner')] : []),
};

export const priorityClassStrategy: Strategy = {
  setDefaults(object) {
    object['preemptionPolicy'] ??= 'PreemptLowerPriority';
    object['value'] ??= 0;
  },
  validateUpdate: (object, old) => immutable('value', object['value'], old['value']),
};

const RBAC = 'rbac.authorization.k8s.io';

export const bindingStrategy: Strategy = {
  setDefaults(object) {
    const reference = objectAt(object, 'roleRef');
    reference['apiGroup'] ??= RBAC;
    for (const subject of listAt(object, 'subjects').filter(isObject)) {
      if (subject['kind'] === 'User' || subject['kind'] === 'Group') subject['apiGroup'] ??= RBAC;
    }
  },
  validate(object) {
    const reference = objectAt(object, 'roleRef');
    const errors: FieldError[] = [];
    if (!['ClusterRole', 'Role'].includes(stringAt(reference, 'kind'))) {
      errors.push({
        field: 'roleRef.kind',
        reason: 'FieldValueNotSupported',
        message: `Unsupported value: ${JSON.stringify(reference['kind'] ?? '')}: supported values: "ClusterRole", "Role"`,
      });
    }
    if (stringAt(reference, 'name') === '') errors.push(required('roleRef.name'));
    return errors;
  },
  validateUpdate: (object, old) =>
    equalJson(object['roleRef'], old['roleRef'])
      ? []
      : [invalid('roleRef', object['roleRef'], 'cannot change roleRef')],
};

export const autoscalerStrategy: Strategy = {
  hasStatus: true,
  setDefaults(object) {
    const spec = (object['spec'] ??= {}) as Loose;
    spec['minReplicas'] ??= 1;
    if (listAt(spec, 'metrics').length === 0) {
      const target = { type: 'Utilization', averageUtilization: 80 };
      spec['metrics'] = [{ type: 'Resource', resource: { name: 'cpu', target } }];
    }
  },
  validate(object) {
    const spec = objectAt(object, 'spec');
    const errors: FieldError[] = [];
    if (stringAt(spec, 'scaleTargetRef', 'kind') === '') errors.push(required('spec.scaleTargetRef.kind'));
    if (stringAt(spec, 'scaleTargetRef', 'name') === '') errors.push(required('spec.scaleTargetRef.name'));
    if (!(Number(spec['maxReplicas'] ?? 0) >= 1)) {
      errors.push(invalid('spec.maxReplicas', spec['maxReplicas'] ?? 0, 'must be greater than 0'));
    } else if (Number(spec['maxReplicas']) < Number(spec['minReplicas'])) {
      errors.push(
        invalid('spec.maxReplicas', spec['maxReplicas'], 'must be greater than or equal to `minReplicas`'),
      );
    }
    return errors;
  },
};
