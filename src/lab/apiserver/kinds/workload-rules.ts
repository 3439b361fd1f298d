/** What all workloads share: their selector, their template, their counts. */
import {
  compileLabelSelector,
  matchesSelector,
  SelectorSyntaxError,
  type Labels,
} from '../../../model/selectors.ts';
import { invalid, notSupported, required, type FieldError } from '../field-error.ts';
import { isObject, objectAt, stringAt, type Loose } from '../json-value.ts';
import { immutable, validateAnnotations, validateLabels } from '../validation/metadata.ts';
import { podSpecWarnings, validatePodSpec } from '../validation/pod-spec.ts';

export function specOf(object: Loose): Loose {
  return (object['spec'] ??= {}) as Loose;
}

/** Fills what is missing of `target`, one level deep. */
export function fill(target: Loose, defaults: Loose): void {
  for (const [name, value] of Object.entries(defaults)) target[name] ??= structuredClone(value);
}

export function validateTemplate(
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

export function validateSelector(spec: Loose, workload: string): FieldError[] {
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

export function validateCounts(spec: Loose, names: readonly string[]): FieldError[] {
  return names.flatMap((name) => {
    const value = spec[name];
    return typeof value === 'number' && value < 0
      ? [invalid(`spec.${name}`, value, 'must be greater than or equal to 0')]
      : [];
  });
}

/** A whole number or a percentage. */
export function isZero(value: unknown): boolean {
  return value === 0 || (typeof value === 'string' && /^0*%$/u.test(value));
}

export function validateIntOrPercent(value: unknown, field: string): FieldError[] {
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

export function selectorStays(object: Loose, old: Loose): FieldError[] {
  return immutable('spec.selector', specOf(object)['selector'], objectAt(old, 'spec')['selector']);
}
