import { createHash } from 'node:crypto';
import { type PlannedEndpoint, type PlannedPort, hostPort } from '../../plan.ts';

/** kube-proxy's chains that are there whatever Services there are. */
export const CHAINS = {
  services: 'KUBE-SERVICES',
  externalServices: 'KUBE-EXTERNAL-SERVICES',
  nodePorts: 'KUBE-NODEPORTS',
  firewall: 'KUBE-PROXY-FIREWALL',
  forward: 'KUBE-FORWARD',
  postrouting: 'KUBE-POSTROUTING',
  markMasquerade: 'KUBE-MARK-MASQ',
  /** Not kube-proxy's: what is sent to a cluster IP and is no port of its Service. */
  markReject: 'KUBE-MARK-REJECT',
} as const;

/** Of the chains of single Service ports and endpoints. */
export type ChainPrefix = 'KUBE-SVC-' | 'KUBE-SVL-' | 'KUBE-EXT-' | 'KUBE-FW-' | 'KUBE-SEP-';

/** Whether a chain is kube-proxy's, and so ours when we are in its place. */
export function isServiceChain(name: string): boolean {
  return fixedNames.has(name) || /^KUBE-(SVC|SVL|EXT|FW|SEP)-[A-Z2-7]{16}$/u.test(name);
}

const fixedNames: ReadonlySet<string> = new Set(Object.values(CHAINS));

/** `namespace/name:port`, or `namespace/name` of a port without a name: kube-proxy's ServicePortName. */
export function servicePortName({ service, portName }: Pick<PlannedPort, 'service' | 'portName'>): string {
  return portName === '' ? service : `${service}:${portName}`;
}

/**
 * The name kube-proxy gives a chain: a prefix and 16 characters of the base32 of the SHA-256 of what it is for, which
 * is the Service port's name, its protocol, and for KUBE-SEP the endpoint's address and port.
 */
export function chainName(
  prefix: ChainPrefix,
  port: Pick<PlannedPort, 'service' | 'portName' | 'protocol'>,
  endpoint?: Pick<PlannedEndpoint, 'address' | 'port'>,
): string {
  const at = endpoint === undefined ? '' : hostPort(endpoint.address, endpoint.port);
  return prefix + hash(servicePortName(port) + port.protocol + at);
}

const BASE32 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';

/** RFC 4648, the first 16 characters of it: ten bytes, five bits each. */
function hash(text: string): string {
  const digest = createHash('sha256').update(text).digest();
  let [characters, bits, count] = ['', 0, 0];
  for (const byte of digest.subarray(0, 10)) {
    bits = (bits << 8) | byte;
    for (count += 8; count >= 5; count -= 5) {
      characters += BASE32[(bits >> (count - 5)) & 31];
    }
    bits &= (1 << count) - 1;
  }
  return characters;
}
