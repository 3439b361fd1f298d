import type { ServedKind } from '../registry.ts';
import type { Store } from '../storage/store.ts';
import type { Strategy } from '../strategy.ts';
import { cronJobStrategy, jobStrategy } from './batch.ts';
import {
  autoscalerStrategy,
  bindingStrategy,
  claimStrategy,
  configMapStrategy,
  eventStrategy,
  namespaceStrategy,
  nodeStrategy,
  priorityClassStrategy,
  secretStrategy,
  serviceAccountStrategy,
  storageClassStrategy,
  volumeStrategy,
} from './core.ts';
import { customStrategy, definitionStrategy } from './custom.ts';
import {
  disruptionBudgetStrategy,
  endpointSliceStrategy,
  endpointsStrategy,
  ingressStrategy,
  networkPolicyStrategy,
} from './network.ts';
import { podStrategy } from './pod.ts';
import { createServiceAllocator } from './service-allocation.ts';
import { serviceStrategy } from './service.ts';
import {
  daemonSetStrategy,
  deploymentStrategy,
  replicaSetStrategy,
  replicationControllerStrategy,
  statefulSetStrategy,
} from './workloads.ts';

const GENERIC: Strategy = {};
const WITH_STATUS: Strategy = { hasStatus: true, hasGeneration: true };

/** By storage. Services depend on the cluster's ranges and are added below. */
const FIXED: Readonly<Record<string, Strategy>> = {
  configmaps: configMapStrategy,
  endpoints: endpointsStrategy,
  events: eventStrategy,
  namespaces: namespaceStrategy,
  nodes: nodeStrategy,
  persistentvolumeclaims: claimStrategy,
  persistentvolumes: volumeStrategy,
  pods: podStrategy,
  replicationcontrollers: replicationControllerStrategy,
  secrets: secretStrategy,
  serviceaccounts: serviceAccountStrategy,
  'clusterrolebindings.rbac.authorization.k8s.io': bindingStrategy,
  'cronjobs.batch': cronJobStrategy,
  'customresourcedefinitions.apiextensions.k8s.io': definitionStrategy,
  'daemonsets.apps': daemonSetStrategy,
  'deployments.apps': deploymentStrategy,
  'endpointslices.discovery.k8s.io': endpointSliceStrategy,
  'horizontalpodautoscalers.autoscaling': autoscalerStrategy,
  'ingresses.networking.k8s.io': ingressStrategy,
  'jobs.batch': jobStrategy,
  'leases.coordination.k8s.io': { createOnUpdate: true },
  'networkpolicies.networking.k8s.io': networkPolicyStrategy,
  'poddisruptionbudgets.policy': disruptionBudgetStrategy,
  'priorityclasses.scheduling.k8s.io': priorityClassStrategy,
  'replicasets.apps': replicaSetStrategy,
  'rolebindings.rbac.authorization.k8s.io': bindingStrategy,
  'statefulsets.apps': statefulSetStrategy,
  'storageclasses.storage.k8s.io': storageClassStrategy,
};

/** The rules of every stored kind. */
export interface Strategies {
  readonly strategyOf: (kind: ServedKind) => Strategy;
  /** Selectable fields, by storage. */
  readonly selectable: (storage: string) => readonly string[];
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
    ...FIXED,
    services: serviceStrategy(services),
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
