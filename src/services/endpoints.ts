import { isIPv4 } from 'node:net';
import { hintedNodes, hintedZones } from '../model/endpoint-slices.ts';
import { type IpFamily, formatIp, tryParseIp } from '../model/ip.ts';
import { type Endpoint, type EndpointSlice, type ServicePort, objectKey } from '../model/objects.ts';
import { forbiddenRange } from './forbidden-ranges.ts';
import type { EndpointSource, Ignored, SkippedEndpoint } from './plan.ts';

/** One address that a slice lists, fit to be sent to. */
export interface ListedEndpoint {
  readonly address: string;
  readonly source: EndpointSource;
  readonly ready: boolean;
  readonly serving: boolean;
  readonly terminating: boolean;
  readonly zones: readonly string[];
  readonly nodes: readonly string[];
}

/** A slice with what is wrong in it set apart. */
export interface ReadSlice {
  readonly key: string;
  readonly slice: EndpointSlice;
  readonly endpoints: readonly ListedEndpoint[];
  readonly unfit: readonly SkippedEndpoint[];
  readonly refusals: readonly Ignored[];
}

const NONE: readonly never[] = [];
const FIELDS: string[] = [];

/** `endpoints[3]`; the same string for the same number, for there are many. */
function endpointField(index: number): string {
  return (FIELDS[index] ??= `endpoints[${index}]`);
}

/** Reads the slice's addresses, which are to be of its `addressType` and may lie in no forbidden range. */
export function readSlice(slice: EndpointSlice): ReadSlice {
  const key = objectKey(slice);
  const family = slice.addressType === 'IPv6' ? 6 : 4;
  const endpoints: ListedEndpoint[] = [];
  const unfit: SkippedEndpoint[] = [];
  const refusals: Ignored[] = [];
  const refuse = (field: string, reason: string): void => {
    refusals.push({ object: { kind: 'EndpointSlice', key }, field, reason, refused: true });
  };
  for (const [index, endpoint] of (slice.endpoints ?? []).entries()) {
    const source = sourceOf(key, index, endpoint);
    const [text = ''] = endpoint.addresses ?? [];
    const address = readAddress(text, family);
    const range = address === undefined ? undefined : forbiddenRange(address);
    if (address === undefined || range !== undefined) {
      const field = 'addresses[0]';
      const is = range === undefined ? `not an IPv${family} address` : `in ${range}`;
      unfit.push({ address: address ?? text, source, reason: `${field} is ${is}` });
      refuse(`${source.field}.${field}`, `is ${JSON.stringify(text)}, ${is}`);
    } else {
      endpoints.push(listed(address, source, endpoint));
    }
  }
  for (const [index, { port }] of (slice.ports ?? []).entries()) {
    if (port !== undefined && port !== null && !isPort(port))
      refuse(`ports[${index}].port`, `is ${JSON.stringify(port)}, no port`);
  }
  return {
    key,
    slice,
    endpoints,
    unfit: unfit.length === 0 ? NONE : unfit,
    refusals: refusals.length === 0 ? NONE : refusals,
  };
}

/** Conditions that are absent mean ready and serving, and not terminating (discovery.k8s.io/v1). */
function listed(address: string, source: EndpointSource, endpoint: Endpoint): ListedEndpoint {
  const { conditions, hints } = endpoint;
  const ready = conditions?.ready ?? true;
  return {
    address,
    source,
    ready,
    serving: conditions?.serving ?? ready,
    terminating: conditions?.terminating ?? false,
    zones: hints ? hintedZones(endpoint) : NONE,
    nodes: hints ? hintedNodes(endpoint) : NONE,
  };
}

/** The number behind the Service port in this slice: slices carry the resolved `targetPort` by the port's name. */
export function targetPort(
  { ports }: EndpointSlice,
  { name = '', protocol = 'TCP' }: ServicePort,
): number | undefined {
  const found = ports?.find((port) => (port.name ?? '') === name && (port.protocol ?? 'TCP') === protocol);
  return isPort(found?.port) ? found.port : undefined;
}

/** One bad number in an object must not make the kernel refuse the batch with everything else. */
export function isPort(number: number | undefined): number is number {
  return number !== undefined && Number.isInteger(number) && number > 0 && number < 65_536;
}

function sourceOf(slice: string, index: number, { targetRef, nodeName }: Endpoint): EndpointSource {
  const field = endpointField(index);
  if (!targetRef) return nodeName === undefined ? { slice, field } : { slice, field, nodeName };
  const target = `${targetRef.kind ?? 'object'} ${objectKey({ metadata: targetRef })}`;
  return nodeName === undefined ? { slice, field, target } : { slice, field, target, nodeName };
}

/** Canonical text, or undefined for what is no address of the family. */
export function readAddress(text: string, family: IpFamily): string | undefined {
  // What node:net takes for IPv4 is canonical already: this is where a full load spends its time.
  if (isIPv4(text)) return family === 4 ? text : undefined;
  const ip = tryParseIp(text);
  return ip?.family === family ? formatIp(ip) : undefined;
}
