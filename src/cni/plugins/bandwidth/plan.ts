/** The limits of one attachment, decided. Pure. */
import { createHash } from 'node:crypto';
import type { TbfOptions } from '../../../kernel/traffic-control/traffic-control.ts';
import { PodnetError } from '../../../model/errors.ts';
import type { Bandwidth } from '../../spec/runtime-config.ts';
import type { OwnerIdentity } from '../../attachment/owner.ts';

/** Which of the other sides count. At most one of the lists has entries. */
export interface ShapedSubnets {
  /** Only traffic from and to these is limited. */
  readonly shaped: readonly string[];
  /** Traffic from and to these is not. */
  readonly unshaped: readonly string[];
}

export interface BandwidthAttachment extends OwnerIdentity {
  /** The node's end of the container's veth pair. */
  readonly hostInterface: string;
  readonly mtuBytes: number;
  readonly bandwidth: Bandwidth;
  readonly subnets?: ShapedSubnets;
}

export interface BandwidthPlan {
  /** What the node sends to the container: at the root of the host interface. */
  readonly ingress: TbfOptions | undefined;
  /** What the container sends: at the root of the ifb device it is redirected to. */
  readonly egress: TbfOptions | undefined;
  /** The name of that device. */
  readonly device: string;
}

/** How long a packet may wait for tokens. */
const LATENCY_SECONDS = 0.025;
const ETHERNET_HEADER_BYTES = 14;
const MAX_U32 = 2 ** 32 - 1;

/** @throws PodnetError for a rate without burst and the like, naming the key */
export function bandwidthPlan(attachment: BandwidthAttachment): BandwidthPlan {
  const { ingressRate, ingressBurst, egressRate, egressBurst } = attachment.bandwidth;
  const { mtuBytes } = attachment;
  return {
    ingress: tokenBucket('ingress', { rate: ingressRate, burst: ingressBurst, mtuBytes }),
    egress: tokenBucket('egress', { rate: egressRate, burst: egressBurst, mtuBytes }),
    device: ifbName(attachment),
  };
}

interface Limit {
  readonly rate: number | undefined;
  readonly burst: number | undefined;
  readonly mtuBytes: number;
}

/** Undefined for no limit. */
function tokenBucket(direction: 'ingress' | 'egress', limit: Limit): TbfOptions | undefined {
  const { rate = 0, burst = 0, mtuBytes } = limit;
  if (rate === 0 && burst === 0) return undefined;
  const key = (name: string): string => `bandwidth: ${direction}${name}`;
  if (rate < 8) {
    throw invalid(
      `A burst of ${burst} bits needs a rate`,
      key('Rate'),
      'Set a rate of 8 bits a second or more.',
    );
  }
  const burstBytes = Math.floor(burst / 8);
  if (burst > MAX_U32) {
    throw invalid(`A burst of ${burst} bits is too much`, key('Burst'), `Set at most ${MAX_U32} bits.`);
  }
  const longest = mtuBytes + ETHERNET_HEADER_BYTES;
  if (burstBytes < longest) {
    throw invalid(
      `A burst of ${burst} bits holds no whole packet of ${mtuBytes} bytes (the MTU): none would ever pass`,
      key('Burst'),
      `Set at least ${longest * 8} bits.`,
    );
  }
  const rateBytesPerSecond = Math.floor(rate / 8);
  const limitBytes = Math.min(burstBytes + Math.floor(rateBytesPerSecond * LATENCY_SECONDS), MAX_U32);
  return { kind: 'tbf', rateBytesPerSecond, burstBytes, limitBytes };
}

function invalid(message: string, where: string, fix: string): PodnetError {
  return new PodnetError(message, { code: 'bad-bandwidth', where, fix });
}

/** `bwp` and the start of a SHA-512, as the standard plugin names it: either finds what the other made. */
export function ifbName({ network, containerId }: Pick<OwnerIdentity, 'network' | 'containerId'>): string {
  const digest = createHash('sha512').update(`${network}${containerId}`).digest('hex');
  return `bwp${digest}`.slice(0, 15);
}
