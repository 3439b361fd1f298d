import type { FieldError } from '../field-error.ts';
import { isObject, listAt, objectAt, stringAt, type Loose } from '../json-value.ts';
import type { Strategy } from '../strategy.ts';
import { immutable } from '../validation/metadata.ts';
import { validateService } from '../validation/service.ts';
import type { ServiceAllocator } from './service-allocation.ts';

/** k8s.io/kubernetes pkg/apis/core/v1/defaults.go, SetDefaults_Service. */
function setDefaults(service: Loose): void {
  const spec = (service['spec'] ??= {}) as Loose;
  spec['sessionAffinity'] ??= 'None';
  spec['type'] ??= 'ClusterIP';
  if (spec['sessionAffinity'] === 'None') delete spec['sessionAffinityConfig'];
  if (spec['sessionAffinity'] === 'ClientIP') {
    const config = (spec['sessionAffinityConfig'] ??= {}) as Loose;
    const clientIp = (config['clientIP'] ??= {}) as Loose;
    clientIp['timeoutSeconds'] ??= 10_800;
  }
  for (const port of listAt(spec, 'ports').filter(isObject)) {
    port['protocol'] ??= 'TCP';
    if (port['targetPort'] === undefined || port['targetPort'] === 0 || port['targetPort'] === '') {
      port['targetPort'] = port['port'];
    }
  }
  const { type } = spec;
  if (type === 'NodePort' || type === 'LoadBalancer') spec['externalTrafficPolicy'] ??= 'Cluster';
  if (type !== 'ExternalName') spec['internalTrafficPolicy'] ??= 'Cluster';
  if (type === 'LoadBalancer') spec['allocateLoadBalancerNodePorts'] ??= true;
  const { clusterIP } = spec;
  // clusterIP and clusterIPs[0] are one field in two places.
  if (typeof clusterIP === 'string' && clusterIP !== '' && listAt(spec, 'clusterIPs').length === 0) {
    spec['clusterIPs'] = [clusterIP];
  } else if (clusterIP === undefined && listAt(spec, 'clusterIPs').length > 0) {
    spec['clusterIP'] = listAt(spec, 'clusterIPs')[0];
  }
}

function prepareUpdate(service: Loose, old: Loose): void {
  const spec = objectAt(service, 'spec');
  const before = objectAt(old, 'spec');
  const address = stringAt(before, 'clusterIP');
  if (spec['type'] === 'ExternalName') {
    for (const field of [
      'clusterIP',
      'clusterIPs',
      'ipFamilies',
      'ipFamilyPolicy',
      'internalTrafficPolicy',
    ]) {
      if (before['type'] !== 'ExternalName') delete spec[field];
    }
  } else if (before['type'] !== 'ExternalName') {
    // A client that does not name the address keeps it.
    if (stringAt(spec, 'clusterIP') === '' && address !== '') spec['clusterIP'] = address;
    if (spec['clusterIP'] === address) {
      const addresses = listAt(spec, 'clusterIPs');
      if (addresses.length === 0 || addresses[0] !== address) spec['clusterIPs'] = before['clusterIPs'];
      spec['ipFamilies'] ??= before['ipFamilies'];
      spec['ipFamilyPolicy'] ??= before['ipFamilyPolicy'];
    }
  }
  keepNodePorts(spec, before);
  if (spec['type'] !== 'NodePort' && spec['type'] !== 'LoadBalancer') {
    for (const port of listAt(spec, 'ports').filter(isObject)) {
      // What the server gave goes with the type; what a person writes is for validation to refuse.
      if (listAt(before, 'ports').some((other) => objectAt(other)['nodePort'] === port['nodePort']))
        delete port['nodePort'];
    }
    if (spec['externalTrafficPolicy'] === before['externalTrafficPolicy'])
      delete spec['externalTrafficPolicy'];
  }
  if (spec['type'] !== 'LoadBalancer') {
    if (spec['allocateLoadBalancerNodePorts'] === before['allocateLoadBalancerNodePorts'])
      delete spec['allocateLoadBalancerNodePorts'];
    if (spec['healthCheckNodePort'] === before['healthCheckNodePort']) delete spec['healthCheckNodePort'];
    if (isObject(service['status'])) service['status'] = { ...service['status'], loadBalancer: {} };
  } else if (spec['healthCheckNodePort'] === undefined && before['healthCheckNodePort'] !== undefined) {
    if (spec['externalTrafficPolicy'] === 'Local')
      spec['healthCheckNodePort'] = before['healthCheckNodePort'];
  } else if (spec['externalTrafficPolicy'] !== 'Local') {
    delete spec['healthCheckNodePort'];
  }
}

/** Ports that do not name their node port keep the one they have. */
function keepNodePorts(spec: Loose, before: Loose): void {
  if (spec['type'] !== 'NodePort' && spec['type'] !== 'LoadBalancer') return;
  const used = new Set(
    listAt(spec, 'ports').map(
      (port) => `${stringAt(port, 'protocol')}/${Number(objectAt(port)['nodePort'] ?? 0)}`,
    ),
  );
  for (const port of listAt(spec, 'ports').filter(isObject)) {
    if (typeof port['nodePort'] === 'number' && port['nodePort'] > 0) continue;
    const same = listAt(before, 'ports')
      .filter(isObject)
      .find((other) => other['port'] === port['port'] && other['protocol'] === port['protocol']);
    const nodePort = same?.['nodePort'];
    if (typeof nodePort === 'number' && !used.has(`${stringAt(port, 'protocol')}/${nodePort}`))
      port['nodePort'] = nodePort;
  }
}

function validateUpdate(service: Loose, old: Loose): FieldError[] {
  const spec = objectAt(service, 'spec');
  const before = objectAt(old, 'spec');
  if (spec['type'] === 'ExternalName' || before['type'] === 'ExternalName') return [];
  const address = before['clusterIP'];
  return [
    ...(address === undefined || address === ''
      ? []
      : immutable('spec.clusterIPs[0]', spec['clusterIP'], address)),
    ...immutable(
      'spec.loadBalancerClass',
      spec['loadBalancerClass'],
      spec['type'] === before['type'] ? before['loadBalancerClass'] : spec['loadBalancerClass'],
    ),
  ];
}

export function serviceStrategy(allocator: ServiceAllocator): Strategy {
  return {
    hasStatus: true,
    createOnUpdate: true,
    returnsDeleted: true,
    selectable: ['spec.clusterIP', 'spec.type'],
    setDefaults,
    prepareCreate(service) {
      service['status'] = { loadBalancer: {} };
    },
    prepareUpdate,
    validate: validateService,
    validateUpdate,
    allocate: (service, { old, dryRun }) => allocator.allocate(service, { old, dryRun }),
    released: (service) => allocator.release(service),
  };
}
