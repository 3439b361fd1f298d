/**
 * Limits what goes to and comes from a container, at the node's end of its veth pair:
 *
 *     to the container    host interface: root tbf ─▶ veth ─▶ container
 *     from the container  container ─▶ veth ─▶ host interface: ingress, u32 redirects ─▶ ifb: root tbf ─▶ node
 *
 * With subnets in the configuration the root is an htb whose one class has the limit, and filters choose.
 */
import { isErrno } from '../../../kernel/ffi.ts';
import type { Rtnl } from '../../../kernel/rtnl/rtnl.ts';
import {
  INGRESS,
  INGRESS_FILTERS,
  ROOT,
  type TcHandle,
  tcHandle,
} from '../../../kernel/traffic-control/handle.ts';
import { sameTbf } from '../../../kernel/traffic-control/same-tbf.ts';
import type { TbfOptions, TrafficControl } from '../../../kernel/traffic-control/traffic-control.ts';
import { PodnetError } from '../../../model/errors.ts';
import type { Attachment } from '../../spec/config.ts';
import { type OwnerIdentity, isGarbage, ownerOf } from '../../attachment/owner.ts';
import {
  type BandwidthAttachment,
  type BandwidthPlan,
  type ShapedSubnets,
  bandwidthPlan,
  ifbName,
} from './plan.ts';

/** Doors to the node's namespace. */
export interface BandwidthDoors {
  readonly rtnl: Rtnl;
  readonly tc: TrafficControl;
}

const ROOT_HANDLE = tcHandle(1);
const LIMITED_CLASS = tcHandle(1, 1);
const REDIRECT_PRIORITY = 1;
/** Where filters of a `clsact`, which others may have put there, see what comes in. */
const CLSACT_INGRESS: TcHandle = 0xffff_fff2;

/** Which address of a packet is the other side's. */
type OtherSide = 'source' | 'destination';

/** Sets the limits; asked again it changes and repairs them. @throws PodnetError for limits that make no sense */
export function applyBandwidth(attachment: BandwidthAttachment, doors: BandwidthDoors): BandwidthPlan {
  const plan = bandwidthPlan(attachment);
  const { hostInterface, subnets } = attachment;
  if (plan.ingress) shape(hostInterface, plan.ingress, { subnets, otherSide: 'source', tc: doors.tc });
  if (plan.egress) {
    const index = ensureDevice(plan.device, attachment, doors.rtnl);
    shape(plan.device, plan.egress, { subnets, otherSide: 'destination', tc: doors.tc });
    redirect(hostInterface, index, doors.tc);
  }
  return plan;
}

interface ShapeOptions {
  readonly subnets: ShapedSubnets | undefined;
  readonly otherSide: OtherSide;
  readonly tc: TrafficControl;
}

function shape(link: string, limit: TbfOptions, { subnets, otherSide, tc }: ShapeOptions): void {
  const filters = filtersOf(subnets, otherSide);
  if (filters.length === 0) {
    tc.replaceQdisc({ link, handle: ROOT_HANDLE, options: limit });
    return;
  }
  // A hierarchy has no way to be replaced as one: it is made anew unless it is right.
  if (isShaped(link, limit, { subnets, otherSide, tc })) return;
  if (tc.qdisc(link, ROOT)) tc.deleteQdisc(link, ROOT);
  const defaultClass = subnets?.shaped.length ? 0 : LIMITED_CLASS & 0xffff;
  tc.addQdisc({ link, handle: ROOT_HANDLE, options: { kind: 'htb', defaultClass } });
  const { rateBytesPerSecond, burstBytes } = limit;
  tc.addClass({ link, parent: ROOT_HANDLE, handle: LIMITED_CLASS, rateBytesPerSecond, burstBytes });
  for (const [index, { match, handle }] of filters.entries()) {
    const action = { kind: 'class', handle } as const;
    tc.addFilter({ link, parent: ROOT_HANDLE, priority: index + 1, match, action });
  }
}

/** What is limited goes to the class, the rest to the htb itself, which passes it on at once. */
function filtersOf(
  subnets: ShapedSubnets | undefined,
  field: OtherSide,
): { match: { field: OtherSide; prefix: string }; handle: TcHandle }[] {
  const { shaped = [], unshaped = [] } = subnets ?? {};
  return [
    ...shaped.map((prefix) => ({ match: { field, prefix }, handle: LIMITED_CLASS })),
    ...unshaped.map((prefix) => ({ match: { field, prefix }, handle: ROOT_HANDLE })),
  ];
}

function isShaped(link: string, limit: TbfOptions, { subnets, otherSide, tc }: ShapeOptions): boolean {
  const root = tc.qdisc(link, ROOT);
  const filters = filtersOf(subnets, otherSide);
  if (filters.length === 0) return sameTbf(root?.options, limit);
  const [limited] = tc.classes(link);
  if (root?.kind !== 'htb' || limited?.rateBytesPerSecond !== limit.rateBytesPerSecond) return false;
  const found = tc.filters(link, ROOT_HANDLE);
  return (
    found.length === filters.length &&
    filters.every(({ match, handle }, index) => {
      const { match: is, action } = found[index] ?? {};
      return (
        is?.field === match.field &&
        is.prefix === match.prefix &&
        action?.kind === 'class' &&
        action.handle === handle
      );
    })
  );
}

/** The index of the ifb device, made if need be. Its alias says whose it is. */
function ensureDevice(name: string, attachment: BandwidthAttachment, rtnl: Rtnl): number {
  const { mtuBytes } = attachment;
  if (!rtnl.link(name)) {
    try {
      rtnl.addLink({ kind: 'ifb', name, mtuBytes });
    } catch (error) {
      if (isErrno(error, 'EOPNOTSUPP')) throw withoutIfb(error);
      if (!isErrno(error, 'EEXIST')) throw error;
    }
  }
  // One that waits to be deleted is in a group of its own.
  rtnl.setLink(name, { alias: ownerOf(attachment), group: 0, ipv6AddressGeneration: 'none' });
  rtnl.setLink(name, { mtuBytes, up: true });
  const index = rtnl.link(name)?.index;
  if (index === undefined) throw new Error(`The device ${name} was deleted meanwhile`);
  return index;
}

function withoutIfb(cause: unknown): PodnetError {
  return new PodnetError('This kernel has no ifb devices, which limits of what a container sends need', {
    code: 'kernel-feature-missing',
    where: 'bandwidth: egressRate',
    fix: 'Load the module: modprobe ifb.',
    cause,
  });
}

/** Where the filters of the host interface's ingress hang; undefined when it has none yet. */
function ingressParent(link: string, tc: TrafficControl): TcHandle | undefined {
  const kind = tc.qdisc(link, INGRESS)?.kind;
  return kind === undefined ? undefined : kind === 'clsact' ? CLSACT_INGRESS : INGRESS_FILTERS;
}

function redirect(link: string, to: number, tc: TrafficControl): void {
  if (redirectsTo(link, to, tc)) return;
  let parent = ingressParent(link, tc);
  if (parent === undefined) {
    tc.addQdisc({ link, options: { kind: 'ingress' } });
    parent = INGRESS_FILTERS;
  }
  const old = tc.filters(link, parent).filter(({ action }) => action?.kind === 'redirect');
  for (const priority of new Set(old.map((each) => each.priority))) tc.deleteFilters(link, parent, priority);
  tc.addFilter({ link, parent, priority: REDIRECT_PRIORITY, action: { kind: 'redirect', to } });
}

function redirectsTo(link: string, to: number, tc: TrafficControl): boolean {
  const parent = ingressParent(link, tc);
  if (parent === undefined) return false;
  return tc
    .filters(link, parent)
    .some(({ action, match }) => match === undefined && action?.kind === 'redirect' && action.to === to);
}

/** @throws PodnetError naming what is not as `applyBandwidth` left it */
export function checkBandwidth(attachment: BandwidthAttachment, { rtnl, tc }: BandwidthDoors): void {
  const plan = bandwidthPlan(attachment);
  const { hostInterface, subnets } = attachment;
  if (plan.ingress && !isShaped(hostInterface, plan.ingress, { subnets, otherSide: 'source', tc })) {
    throw notAsLeft(`${hostInterface} does not limit what goes to the container`, hostInterface);
  }
  if (!plan.egress) return;
  const device = rtnl.link(plan.device);
  if (!device?.up) throw notAsLeft(`the device ${plan.device} is ${device ? 'down' : 'gone'}`, plan.device);
  if (!isShaped(plan.device, plan.egress, { subnets, otherSide: 'destination', tc })) {
    throw notAsLeft(`${plan.device} does not limit what comes from the container`, plan.device);
  }
  if (!redirectsTo(hostInterface, device.index, tc)) {
    throw notAsLeft(`${hostInterface} does not redirect to ${plan.device}`, hostInterface);
  }
}

function notAsLeft(what: string, where: string): PodnetError {
  return new PodnetError(`The bandwidth is not limited: ${what}`, {
    code: 'bandwidth-missing',
    where: `link ${where}`,
    fix: 'Add the container to the network again; find out who changes its qdiscs (tc qdisc show).',
  });
}

/** How a link is got rid of; one that is gone is no error. */
export type Discard = (link: string) => void;

/** Discards the ifb device; what hangs on the veth pair goes with it. */
export function removeBandwidth(identity: OwnerIdentity, discard: Discard): void {
  discard(ifbName(identity));
}

/** Discards the ifb devices of the network's attachments that are not in the list. */
export function collectBandwidth(
  network: string,
  valid: readonly Attachment[],
  { rtnl, discard }: { readonly rtnl: Pick<Rtnl, 'links'>; readonly discard: Discard },
): void {
  const isOwned = isGarbage(network, valid);
  for (const { name, kind, alias = '' } of rtnl.links()) {
    if (kind === 'ifb' && isOwned(alias)) discard(name);
  }
}
