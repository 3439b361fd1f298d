import type { ServedKind } from '../registry.ts';
import type { Store } from '../storage/store.ts';
import type { Strategy } from '../strategy.ts';
import { customStrategy, definitionStrategy } from './custom.ts';
import { createServiceAllocator } from './service-allocation.ts';
import { serviceStrategy } from './service.ts';

const GENERIC: Strategy = {};
const WITH_STATUS: Strategy = { hasStatus: true, hasGeneration: true };

const EVENT_FIELDS = [
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
];

/** The rules of every stored kind. */
export interface Strategies {
  strategyOf(kind: ServedKind): Strategy;
  /** Selectable fields, by storage. */
  selectable(storage: string): readonly string[];
  /** Takes note of what stored objects hold. */
  restore(store: Store): void;
  readonly firstServiceAddress: string;
}

export function createStrategies(options: {
  readonly serviceCidrs: readonly string[];
  readonly nodePortRange: string;
}): Strategies {
  const services = createServiceAllocator(options);
  const strategies: Readonly<Record<string, Strategy>> = {
    events: { selectable: EVENT_FIELDS, createOnUpdate: true },
    services: serviceStrategy(services),
    'customresourcedefinitions.apiextensions.k8s.io': definitionStrategy,
  };
  const custom = new WeakMap<ServedKind, Strategy>();
  return {
    strategyOf(kind) {
      if (kind.custom) {
        let strategy = custom.get(kind);
        if (strategy === undefined) custom.set(kind, (strategy = customStrategy(kind)));
        return strategy;
      }
      return (
        strategies[kind.storage] ??
        (kind.subresources.some(({ name }) => name === 'status') ? WITH_STATUS : GENERIC)
      );
    },
    selectable: (storage) => strategies[storage]?.selectable ?? [],
    restore: (store) => services.restore(store),
    firstServiceAddress: services.firstAddress,
  };
}
