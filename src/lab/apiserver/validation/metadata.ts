import { labelValueProblem, qualifiedNameProblem } from '../../../model/selectors.ts';
import { forbiddenField, invalid, required, type FieldError } from '../field-error.ts';
import { equalJson, isObject, listAt, stringAt, type Loose } from '../json-value.ts';
import type { ServedKind } from '../registry.ts';
import { labelNameProblem, pathSegmentProblem, serviceNameProblem, subdomainProblem } from './names.ts';

const MAX_ANNOTATIONS_BYTES = 256 * 1024;

function nameProblem({ storage, group }: ServedKind, name: string): string | undefined {
  switch (storage) {
    case 'namespaces':
      return labelNameProblem(name);
    case 'services':
      return serviceNameProblem(name);
    default:
      return group === 'rbac.authorization.k8s.io' ? pathSegmentProblem(name) : subdomainProblem(name);
  }
}

/** The metadata every object has: name, labels, annotations, owners, finalizers. */
export function validateMetadata(kind: ServedKind, object: Loose): FieldError[] {
  const metadata = object['metadata'] as Loose;
  const name = stringAt(metadata, 'name');
  const errors: FieldError[] = [];
  if (name === '') {
    errors.push(required('metadata.name', 'name or generateName is required'));
  } else {
    const problem = nameProblem(kind, name);
    if (problem !== undefined) errors.push(invalid('metadata.name', name, problem));
  }
  errors.push(...validateLabels(metadata['labels'], 'metadata.labels'));
  errors.push(...validateAnnotations(metadata['annotations'], 'metadata.annotations'));
  errors.push(...validateOwners(listAt(metadata, 'ownerReferences')));
  for (const finalizer of listAt(metadata, 'finalizers')) {
    const problem = qualifiedNameProblem(String(finalizer));
    if (problem !== undefined) errors.push(invalid('metadata.finalizers', finalizer, problem));
  }
  return errors;
}

export function validateLabels(labels: unknown, field: string): FieldError[] {
  if (!isObject(labels)) return [];
  return Object.entries(labels).flatMap(([key, value]) => {
    const errors: FieldError[] = [];
    const keyProblem = qualifiedNameProblem(key);
    if (keyProblem !== undefined) errors.push(invalid(field, key, keyProblem));
    const problem = labelValueProblem(String(value));
    if (problem !== undefined) errors.push(invalid(field, value, problem));
    return errors;
  });
}

export function validateAnnotations(annotations: unknown, field: string): FieldError[] {
  if (!isObject(annotations)) return [];
  let size = 0;
  const errors: FieldError[] = [];
  for (const [key, value] of Object.entries(annotations)) {
    size += key.length + String(value).length;
    const problem = qualifiedNameProblem(key.toLowerCase());
    if (problem !== undefined) errors.push(invalid(field, key, problem));
  }
  if (size > MAX_ANNOTATIONS_BYTES) {
    errors.push({
      field,
      reason: 'FieldValueTooLong',
      message: `Too long: may not be more than ${MAX_ANNOTATIONS_BYTES} bytes`,
    });
  }
  return errors;
}

function validateOwners(owners: readonly unknown[]): FieldError[] {
  const field = 'metadata.ownerReferences';
  const errors: FieldError[] = [];
  for (const owner of owners) {
    if (stringAt(owner, 'apiVersion') === '')
      errors.push(invalid(`${field}.apiVersion`, '', 'version must not be empty'));
    if (stringAt(owner, 'kind') === '') errors.push(invalid(`${field}.kind`, '', 'must not be empty'));
    if (stringAt(owner, 'name') === '') errors.push(invalid(`${field}.name`, '', 'must not be empty'));
    if (stringAt(owner, 'uid') === '') errors.push(invalid(`${field}.uid`, '', 'must not be empty'));
  }
  const controllers = owners.filter((owner) => isObject(owner) && owner['controller'] === true);
  if (controllers.length > 1) {
    const names = controllers.map((owner) => stringAt(owner, 'name'));
    errors.push(
      invalid(
        field,
        names,
        `Only one reference can have Controller set to true. Found "true" in references for ${names.join(' and ')}`,
      ),
    );
  }
  return errors;
}

/** What no update may change. */
export function validateMetadataUpdate(object: Loose, old: Loose): FieldError[] {
  const [metadata, before] = [object['metadata'] as Loose, old['metadata'] as Loose];
  const errors: FieldError[] = [];
  for (const field of ['name', 'namespace', 'uid', 'creationTimestamp'] as const) {
    if ((metadata[field] ?? '') !== (before[field] ?? '')) {
      errors.push(invalid(`metadata.${field}`, metadata[field] ?? '', 'field is immutable'));
    }
  }
  if (before['deletionTimestamp'] !== undefined) {
    const had = new Set(listAt(before, 'finalizers'));
    const added = listAt(metadata, 'finalizers').filter((finalizer) => !had.has(finalizer));
    if (added.length > 0) {
      errors.push(
        forbiddenField(
          'metadata.finalizers',
          `no new finalizers can be added if the object is being deleted, found new finalizers []string{${added.map((name) => JSON.stringify(name)).join(', ')}}`,
        ),
      );
    }
  }
  return errors;
}

/** One error when a field changed that must stay. */
export function immutable(field: string, value: unknown, before: unknown): FieldError[] {
  return equalJson(value, before) ? [] : [invalid(field, value, 'field is immutable')];
}
