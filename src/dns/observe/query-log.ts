import type { LogClass, LogRule } from '../corefile/plan.ts';
import { className, FLAG, RCODE, rcodeName, typeName } from '../wire/constants.ts';
import { isWithin, printKey } from '../wire/name.ts';
import type { Seen } from './block-metrics.ts';

/** Says who a client is: `default/web-5d4`; undefined for an address that is no pod's. */
export type ClientName = (address: string) => string | undefined;

/** The line of the first rule that fits; undefined when the question is not to be logged. */
export function logLine(rules: readonly LogRule[], seen: Seen, nameOf: ClientName): string | undefined {
  const { query } = seen.request;
  const rule = rules.find(
    ({ zones, classes }) =>
      zones.some((zone) => isWithin(query.key, zone)) &&
      (classes.includes('all') || classes.includes(classOf(seen))),
  );
  return rule?.format.replace(/\{[^{}]*\}/g, (field) => fieldOf(field.slice(1, -1), seen, nameOf));
}

/** As CoreDNS sorts answers: a name or type that does not exist is a denial, everything else without answer an error. */
export function classOf({ answer, length }: Seen): Exclude<LogClass, 'all'> {
  if (length === 0) return 'error';
  const rcode = (answer[3] ?? 0) & 0xf;
  if (rcode === RCODE.NXDOMAIN) return 'denial';
  if (rcode !== RCODE.NOERROR) return 'error';
  return answer.readUInt16BE(6) === 0 ? 'denial' : 'success';
}

function fieldOf(field: string, { request, answer, length, seconds }: Seen, nameOf: ClientName): string {
  const { query, message, transport } = request;
  const { address, port } = request.client();
  switch (field) {
    case 'remote':
      return address.includes(':') ? `[${address}]` : address;
    case 'port':
      return String(port);
    case 'type':
      return typeName(query.type);
    case 'class':
      return className(query.class);
    case 'name':
      return query.key === '\0' ? '.' : `${printKey(query.key)}.`;
    case 'proto':
      return transport;
    case 'size':
      return String(request.length);
    case 'rcode':
      return length === 0 ? '-' : rcodeName((answer[3] ?? 0) & 0xf);
    case 'rsize':
      return String(length);
    case 'duration':
      return `${seconds.toFixed(9)}s`;
    case '>id':
      return String(message.readUInt16BE(0));
    case '>opcode':
      return '0';
    case '>do':
      return String(query.edns?.dnssecOk ?? false);
    case '>bufsize':
      return String(query.edns?.udpBytes ?? 512);
    case '>rflags':
      return length === 0 ? '-' : printFlags(answer.readUInt16BE(2));
    // The pod that asked: podnet's own field.
    case '/podnet/pod':
      return nameOf(address) ?? '-';
    default:
      return '-';
  }
}

function printFlags(flags: number): string {
  const names = (['QR', 'AA', 'TC', 'RD', 'RA', 'AD', 'CD'] as const).filter(
    (name) => (flags & FLAG[name]) !== 0,
  );
  return names.join(',').toLowerCase();
}
