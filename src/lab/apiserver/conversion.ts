/** Kinds that two groups or versions serve from one storage, and their other form. */
import { isObject, listAt, objectAt, type Loose } from './json-value.ts';
import { apiVersionOf, type ServedKind } from './registry.ts';

interface Conversion {
  /** The apiVersion objects are stored in. */
  readonly stored: string;
  readonly toStored: (object: Loose) => Loose;
  readonly fromStored: (object: Loose) => Loose;
}

/** `[core/v1 field, events.k8s.io/v1 field]` (k8s.io/kubernetes pkg/apis/events/v1/conversion.go). */
const EVENT_FIELDS = [
  ['involvedObject', 'regarding'],
  ['message', 'note'],
  ['source', 'deprecatedSource'],
  ['firstTimestamp', 'deprecatedFirstTimestamp'],
  ['lastTimestamp', 'deprecatedLastTimestamp'],
  ['count', 'deprecatedCount'],
  ['reportingComponent', 'reportingController'],
] as const;

function renamed(object: Loose, names: ReadonlyMap<string, string>): Loose {
  return Object.fromEntries(Object.entries(object).map(([name, value]) => [names.get(name) ?? name, value]));
}

const TO_CORE = new Map(EVENT_FIELDS.map(([core, events]) => [events, core] as const));
const FROM_CORE = new Map(EVENT_FIELDS);

const EVENTS: Conversion = {
  stored: 'v1',
  toStored: (object) => renamed(object, TO_CORE),
  fromStored: (object) => renamed(object, FROM_CORE),
};

const AUTOSCALERS: Conversion = {
  stored: 'autoscaling/v2',
  toStored(object) {
    const { targetCPUUtilizationPercentage: percentage, ...spec } = objectAt(object, 'spec');
    if (percentage === undefined) return { ...object, spec };
    const target = { type: 'Utilization', averageUtilization: percentage };
    return {
      ...object,
      spec: { ...spec, metrics: [{ type: 'Resource', resource: { name: 'cpu', target } }] },
    };
  },
  fromStored(object) {
    const { metrics, behavior: _behavior, ...spec } = objectAt(object, 'spec');
    const { currentMetrics: _metrics, conditions: _conditions, ...status } = objectAt(object, 'status');
    const cpu = listAt({ metrics }, 'metrics').find(
      (metric) => objectAt(metric, 'resource')['name'] === 'cpu',
    );
    const percentage = objectAt(cpu, 'resource', 'target')['averageUtilization'];
    return {
      ...object,
      spec: { ...spec, ...(percentage === undefined ? {} : { targetCPUUtilizationPercentage: percentage }) },
      ...(isObject(object['status']) ? { status } : {}),
    };
  },
};

const CONVERSIONS: Readonly<Record<string, Conversion>> = {
  events: EVENTS,
  'horizontalpodautoscalers.autoscaling': AUTOSCALERS,
};

function conversionOf(kind: ServedKind): Conversion | undefined {
  const conversion = CONVERSIONS[kind.storage];
  return conversion === undefined || conversion.stored === apiVersionOf(kind) ? undefined : conversion;
}

/** The form in which an object of `kind` is stored. */
export function toStored(kind: ServedKind, object: Loose): Loose {
  const conversion = conversionOf(kind);
  if (conversion === undefined) return object;
  return { ...conversion.toStored(object), apiVersion: conversion.stored };
}

const served = new WeakMap<object, Map<string, object>>();

/** A stored object as `kind` serves it; the same object when it is stored so. */
export function fromStored<T extends object>(kind: ServedKind, object: T): T {
  const apiVersion = apiVersionOf(kind);
  // Custom kinds keep the version they were written in; it differs from the served one only by name.
  const conversion = conversionOf(kind);
  if (conversion === undefined && (object as Loose)['apiVersion'] === apiVersion) return object;
  let forms = served.get(object);
  if (forms === undefined) served.set(object, (forms = new Map()));
  let form = forms.get(apiVersion);
  if (form === undefined) {
    const converted = conversion === undefined ? (object as Loose) : conversion.fromStored(object as Loose);
    form = { ...converted, apiVersion };
    forms.set(apiVersion, form);
  }
  return form as T;
}
