import type { NetworkConfig } from '../../spec/config.ts';
import { CniError, cniErrorCodes } from '../../spec/error.ts';
import { fieldsOf } from '../../spec/json.ts';

/** Who may open connections to the network's containers. */
export type IngressPolicy =
  /** Everybody. */
  | 'open'
  /** Not containers of other bridges that have a policy. */
  | 'same-bridge'
  /** Nor containers of the same bridge. */
  | 'isolated';

export interface FirewallConfig {
  readonly ingressPolicy: IngressPolicy;
  /** The chain of iptables in which the administrator's rules go first. */
  readonly adminChain: string;
}

const policies: readonly IngressPolicy[] = ['open', 'same-bridge', 'isolated'];
const backends = new Set(['', 'iptables', 'nftables']);

/** The standard plugin's keys. @throws CniError naming the key */
export function parseFirewallConfig(network: NetworkConfig): FirewallConfig {
  const fields = fieldsOf(network.raw);
  const backend = fields.string('backend') ?? '';
  if (backend === 'firewalld' || fields.has('firewalldZone')) {
    throw new CniError(
      `${backend === 'firewalld' ? 'backend' : 'firewalldZone'}: firewalld is not supported`,
      {
        code: cniErrorCodes.unsupportedField,
        details:
          'Leave out firewalldZone, and backend or set it to iptables: containers are accepted in nf_tables and, where it is in use, in iptables. To give them to a zone: firewall-cmd --zone=trusted --add-source=CIDR.',
      },
    );
  }
  if (!backends.has(backend)) throw fields.error('backend', 'nftables or iptables');
  const ingressPolicy = fields.string('ingressPolicy') || 'open';
  const policy = policies.find((each) => each === ingressPolicy);
  if (!policy) throw fields.error('ingressPolicy', policies.join(', '));
  const adminChain = fields.string('iptablesAdminChainName') || 'CNI-ADMIN';
  if (!/^[A-Za-z0-9_-]{1,28}$/.test(adminChain)) {
    throw fields.error('iptablesAdminChainName', '1 to 28 letters, digits, “-” and “_”');
  }
  return { ingressPolicy: policy, adminChain };
}
