/** What a pod's manifest says of its traffic, in CNI's terms. */
import type { Bandwidth, PortMapping } from '../../cni/spec/runtime-config.ts';
import { PodnetError } from '../../model/errors.ts';
import type { Pod } from '../../model/objects.ts';
import { quantityValue, tryParseQuantity } from '../../model/quantity.ts';

const ANNOTATIONS = {
  ingress: 'kubernetes.io/ingress-bandwidth',
  egress: 'kubernetes.io/egress-bandwidth',
} as const;

/** In bits a second: the bounds of Kubernetes' pkg/util/bandwidth. */
const LEAST = 1e3;
const MOST = 1e15;

/** How much may pass at once: a tenth of a second's worth, in bits, and at least ten long packets. */
const BURST_SECONDS = 0.1;
const LEAST_BURST = 10 * 9014 * 8;
const MOST_BURST = 2 ** 31 - 1;

/** The ports of containers, and of sidecars, with a `hostPort`. */
export function portMappingsOf({ spec }: Pod): PortMapping[] {
  const sidecars = (spec?.initContainers ?? []).filter(({ restartPolicy }) => restartPolicy === 'Always');
  return [...(spec?.containers ?? []), ...sidecars].flatMap(({ ports = [] }) =>
    ports.flatMap(({ hostPort = 0, containerPort, protocol = 'TCP', hostIP }): PortMapping[] => {
      if (hostPort === 0) return [];
      const name = protocol === 'UDP' ? 'udp' : protocol === 'SCTP' ? 'sctp' : 'tcp';
      return [{ hostPort, containerPort, protocol: name, ...(hostIP && { hostIP }) }];
    }),
  );
}

/** @throws PodnetError for an annotation that is no quantity from 1k to 1P */
export function bandwidthOf(pod: Pod): Bandwidth | undefined {
  const ingressRate = rateOf(pod, ANNOTATIONS.ingress);
  const egressRate = rateOf(pod, ANNOTATIONS.egress);
  if (ingressRate === undefined && egressRate === undefined) return undefined;
  return {
    ...(ingressRate !== undefined && { ingressRate, ingressBurst: burstOf(ingressRate) }),
    ...(egressRate !== undefined && { egressRate, egressBurst: burstOf(egressRate) }),
  };
}

function rateOf({ metadata }: Pod, annotation: string): number | undefined {
  const text = metadata?.annotations?.[annotation];
  if (text === undefined) return undefined;
  const rate = tryParseQuantity(text) === undefined ? NaN : quantityValue(text);
  if (rate >= LEAST && rate <= MOST) return rate;
  throw new PodnetError(`${JSON.stringify(text)} is no bandwidth from 1k to 1P, in bits a second`, {
    code: 'bad-bandwidth',
    where: `pod ${metadata?.namespace}/${metadata?.name} metadata.annotations[${annotation}]`,
    fix: 'Write a quantity such as 10M.',
  });
}

function burstOf(rate: number): number {
  return Math.min(Math.max(Math.ceil(rate * BURST_SECONDS), LEAST_BURST), MOST_BURST);
}
