import type { ObjectReference } from 'kubernetes-types/core/v1.d.ts';
import type { Pod, Service, ServicePort } from '../../model/objects.ts';
import { tryParseIp } from '../../model/ip.ts';
import { isPodFinished, isPodReady, isPodTerminating } from './pod-state.ts';

/** A port of a Service as one pod serves it. */
export interface ResolvedPort {
  readonly name: string;
  readonly protocol: string;
  readonly port: number;
  readonly appProtocol?: string;
}

/** A pod behind a Service. */
export interface Backend {
  readonly pod: Pod;
  readonly ports: readonly ResolvedPort[];
  readonly ready: boolean;
  readonly serving: boolean;
  readonly terminating: boolean;
  /** Only for pods that ask for a name of their own in a headless Service. */
  readonly hostname: string | undefined;
}

export const headlessLabel = 'service.kubernetes.io/headless';

export function isHeadless({ spec }: Service): boolean {
  return spec?.clusterIP === 'None';
}

/** The controllers keep its endpoints: it selects pods and is not just another name. */
export function selectsPods({ metadata, spec }: Service): boolean {
  const conditions = Object.keys(spec?.selector ?? {}).length;
  return conditions > 0 && spec?.type !== 'ExternalName' && metadata?.deletionTimestamp === undefined;
}

/** The pods of a Service that have an address and have not ended, with what the Service says of each. */
export function backendsOf(service: Service, pods: readonly Pod[]): readonly Backend[] {
  return pods
    .filter((pod) => podAddresses(pod).length > 0 && !isPodFinished(pod))
    .map((pod) => {
      const serving = isPodReady(pod);
      const terminating = isPodTerminating(pod);
      const publish = service.spec?.publishNotReadyAddresses === true;
      return {
        pod,
        ports: resolvePorts(service, pod),
        ready: publish || (serving && !terminating),
        serving,
        terminating,
        hostname: hostnameOf(service, pod),
      };
    });
}

function hostnameOf(service: Service, { spec, metadata }: Pod): string | undefined {
  const isNamed =
    spec?.hostname &&
    spec.subdomain === service.metadata?.name &&
    metadata?.namespace === service.metadata?.namespace;
  return isNamed ? spec.hostname : undefined;
}

function resolvePorts({ spec }: Service, pod: Pod): readonly ResolvedPort[] {
  return (spec?.ports ?? []).flatMap((servicePort) => {
    const port = targetPort(servicePort, pod);
    if (port === undefined) return [];
    const { name = '', protocol = 'TCP', appProtocol } = servicePort;
    return [{ name, protocol, port, ...(appProtocol && { appProtocol }) }];
  });
}

/** A name is looked up in the pod's containers: different pods may serve it on different numbers. */
function targetPort(
  { targetPort: target, port, protocol = 'TCP' }: ServicePort,
  { spec }: Pod,
): number | undefined {
  if (target === undefined || target === 0 || target === '') return port;
  if (typeof target === 'number') return target;
  const sidecars = (spec?.initContainers ?? []).filter(({ restartPolicy }) => restartPolicy === 'Always');
  for (const { ports = [] } of [...(spec?.containers ?? []), ...sidecars])
    for (const { name, containerPort, protocol: containerProtocol = 'TCP' } of ports)
      if (name === target && containerProtocol === protocol) return containerPort;
  return undefined;
}

export function podAddresses({ status }: Pod): readonly string[] {
  const addresses = (status?.podIPs ?? []).flatMap(({ ip }) => (ip ? [ip] : []));
  return addresses.length > 0 ? addresses : status?.podIP ? [status.podIP] : [];
}

/** The pod's address of a family. */
export function podAddress(pod: Pod, family: 4 | 6): string | undefined {
  return podAddresses(pod).find((address) => tryParseIp(address)?.family === family);
}

/** Families the Service asks for, the primary first. A headless Service without any takes what the server defaults to. */
export function familiesOf({ spec }: Service): readonly (4 | 6)[] {
  const families = (spec?.ipFamilies ?? []).map((family) => (family === 'IPv6' ? 6 : 4));
  if (families.length > 0) return families;
  return [spec?.clusterIP?.includes(':') ? 6 : 4];
}

export function podReference({ metadata }: Pod): ObjectReference {
  return {
    kind: 'Pod',
    namespace: metadata?.namespace ?? '',
    name: metadata?.name ?? '',
    uid: metadata?.uid ?? '',
  };
}

/** What decides whether and how a pod appears in endpoints; a change of anything else is of no interest here. */
export function endpointFields(pod: Pod): string {
  const { metadata, spec, status } = pod;
  return JSON.stringify([
    metadata?.labels,
    isPodTerminating(pod),
    isPodReady(pod),
    isPodFinished(pod),
    status?.podIP,
    status?.podIPs,
    spec?.nodeName,
    spec?.hostname,
    spec?.subdomain,
  ]);
}
