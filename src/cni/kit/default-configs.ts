/** Configurations for the plugins everybody knows, for those who give none. */
import type { JsonObject } from '../spec/json.ts';

/** Put into texts by the kit: a directory for the plugin's files. */
const STATE = '{stateDirectory}';

const hostLocal: JsonObject = {
  type: 'host-local',
  dataDir: `${STATE}/networks`,
  ranges: [[{ subnet: '10.77.0.0/24' }]],
  routes: [{ dst: '0.0.0.0/0' }],
};

/** Both families. Plugins that wait for duplicate address detection take two seconds for every ADD with it. */
const dualStack: JsonObject = {
  ...hostLocal,
  ranges: [[{ subnet: '10.77.0.0/24' }], [{ subnet: 'fd77::/112' }]],
  routes: [{ dst: '0.0.0.0/0' }, { dst: '::/0' }],
};

const configs: Readonly<Record<string, JsonObject>> = {
  podnet: { podCIDRs: ['10.77.0.0/24', 'fd77::/112'], dataDir: `${STATE}/podnet` },
  bridge: { bridge: 'kit0', isGateway: true, ipMasq: true, hairpinMode: true, ipam: dualStack },
  ptp: { ipMasq: true, ipam: hostLocal },
  macvlan: { master: 'uplink0', ipam: hostLocal },
  ipvlan: { master: 'uplink0', ipam: hostLocal },
  vlan: { master: 'uplink0', vlanId: 7, ipam: hostLocal },
  'host-local': { ipam: dualStack },
  static: {
    ipam: { type: 'static', addresses: [{ address: '10.77.0.9/24', gateway: '10.77.0.1' }] },
  },
  portmap: {
    snat: true,
    runtimeConfig: {
      portMappings: [
        { hostPort: 8080, containerPort: 80, protocol: 'tcp' },
        { hostPort: 5353, containerPort: 53, protocol: 'udp' },
      ],
    },
  },
  bandwidth: {
    ingressRate: 8_000_000,
    ingressBurst: 8_000_000,
    egressRate: 8_000_000,
    egressBurst: 8_000_000,
  },
  firewall: {},
  tuning: { sysctl: { 'net.ipv4.conf.all.rp_filter': '0' } },
  sbr: {},
};

/** Those that work on another plugin's interface. */
const chained = new Set(['portmap', 'bandwidth', 'firewall', 'tuning', 'sbr']);

/** What makes an interface for chained plugins. */
export const usualBefore: JsonObject = { type: 'ptp', ipam: hostLocal };

export function defaultConfig(type: string): JsonObject {
  return configs[type] ?? {};
}

/** What goes before a plugin when nothing is said: ptp for those known to be chained. */
export function defaultBefore(type: string): JsonObject | undefined {
  return chained.has(type) ? usualBefore : undefined;
}
