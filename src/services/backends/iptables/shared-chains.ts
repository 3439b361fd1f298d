import type { Jump } from '../../../kernel/iptables/iptables.ts';
import { type RuleText, comment } from '../../../kernel/iptables/rule-text.ts';
import { type NodeFacts } from '../../plan.ts';
import { CHAINS } from './chain-names.ts';
import { type PortChains, nodePortAddresses, rejectTarget, single } from './service-chains.ts';

/** The chains of both tables that all Services share, complete. */
export interface SharedChains {
  readonly nat: ReadonlyMap<string, readonly RuleText[]>;
  readonly filter: ReadonlyMap<string, readonly RuleText[]>;
}

/** Which mark says that a packet's source gives way, and which that it is rejected. */
const MASQUERADE = '0x4000/0x4000';
const REJECT = '0x8000/0x8000';

export interface SharedOptions {
  readonly family: 4 | 6;
  readonly node: NodeFacts;
  /** Every cluster IP, in order. */
  readonly clusterIps: readonly string[];
}

export function sharedChains(ports: readonly PortChains[], options: SharedOptions): SharedChains {
  const { family, node, clusterIps } = options;
  const all = (part: Exclude<keyof PortChains, 'own'>): RuleText[] => ports.flatMap((port) => port[part]);
  const nodePortsRule = comment(
    'kubernetes service nodeports; NOTE: this must be the last rule in this chain',
  );
  const nat = new Map<string, readonly RuleText[]>([
    [
      CHAINS.services,
      [
        ...all('services'),
        ...clusterIps.map(
          (address) => `-d ${single(address)} ${comment('no port of the Service')} -j ${CHAINS.markReject}`,
        ),
        ...nodePortAddresses(node, family).map(
          (address) => `-d ${single(address)} ${nodePortsRule} -j ${CHAINS.nodePorts}`,
        ),
      ],
    ],
    [CHAINS.nodePorts, all('nodePorts')],
    [
      CHAINS.postrouting,
      [
        // What stays on the node needs no way back.
        `-o lo -j RETURN`,
        `-m mark ! --mark ${MASQUERADE} -j RETURN`,
        '-j MARK --set-xmark 0x4000/0x0',
        `${comment('kubernetes service traffic requiring SNAT')} -j MASQUERADE --random-fully`,
      ],
    ],
    [CHAINS.markMasquerade, [`-j MARK --set-xmark ${MASQUERADE}`]],
    [CHAINS.markReject, [`-j MARK --set-xmark ${REJECT}`]],
  ]);
  const unknownPort = comment('no port of the Service');
  const filter = new Map<string, readonly RuleText[]>([
    [
      CHAINS.services,
      [
        ...all('clusterRefusals'),
        `-p tcp -m mark --mark ${REJECT} ${unknownPort} -j ${rejectTarget('tcp', family)}`,
        `-m mark --mark ${REJECT} ${unknownPort} -j ${rejectTarget('', family)}`,
      ],
    ],
    [CHAINS.externalServices, all('externalRefusals')],
    [CHAINS.firewall, all('firewall')],
    [
      CHAINS.forward,
      [
        '-m conntrack --ctstate INVALID -j DROP',
        `${comment('kubernetes forwarding rules')} -m mark --mark ${MASQUERADE} -j ACCEPT`,
        `${comment('kubernetes forwarding conntrack rule')} -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT`,
      ],
    ],
  ]);
  return { nat, filter };
}

type BuiltInJump = Omit<Jump, 'verb'>;

function jump(chain: string, target: string, text: string, matches = ''): BuiltInJump {
  return { chain, rule: `${matches === '' ? '' : `${matches} `}${comment(text)} -j ${target}` };
}

const NEW = '-m conntrack --ctstate NEW';
const EXTERNAL = 'kubernetes externally-visible service portals';
const FIREWALL = 'kubernetes load balancer firewall';

/** From the kernel's chains to ours: of those of one chain the last here comes first. */
export const jumps: Readonly<Record<'nat' | 'filter', readonly BuiltInJump[]>> = {
  nat: [
    jump('PREROUTING', CHAINS.services, 'kubernetes service portals'),
    jump('OUTPUT', CHAINS.services, 'kubernetes service portals'),
    jump('POSTROUTING', CHAINS.postrouting, 'kubernetes postrouting rules'),
  ],
  filter: [
    jump('FORWARD', CHAINS.forward, 'kubernetes forwarding rules'),
    ...['INPUT', 'FORWARD', 'OUTPUT'].map((of) => jump(of, CHAINS.externalServices, EXTERNAL, NEW)),
    ...['FORWARD', 'OUTPUT'].map((of) => jump(of, CHAINS.services, 'kubernetes service portals', NEW)),
    ...['INPUT', 'FORWARD', 'OUTPUT'].map((of) => jump(of, CHAINS.firewall, FIREWALL, NEW)),
  ],
};
