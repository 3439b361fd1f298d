/** Other servers with the same names: `unbound` (NLnet Labs) and `knotd` (CZ.NIC), as Debian ships them. */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { clusterIpOf, isHeadless, SERVER, serviceName, UPSTREAM } from './objects.ts';

export interface Peer {
  readonly name: 'unbound' | 'knot';
  /** Whether it can answer for names outside from a cache. */
  readonly resolves: boolean;
  start(directory: string): ChildProcess;
}

const SERVICES = 10_000;

function installed(program: string): boolean {
  return spawnSync('which', [program], { stdio: 'ignore' }).status === 0;
}

export function peers(): readonly Peer[] {
  return [...(installed('unbound') ? [unbound] : []), ...(installed('knotd') ? [knot] : [])];
}

const names = (): readonly number[] =>
  Array.from({ length: SERVICES }, (_, index) => index).filter((index) => !isHeadless(index));

const unbound: Peer = {
  name: 'unbound',
  resolves: true,
  start(directory) {
    const file = join(directory, 'unbound.conf');
    const data = names().map((index) => `local-data: "${serviceName(index)}. 5 A ${clusterIpOf(index)}"`);
    writeFileSync(
      file,
      `server:
  interface: ${SERVER}
  access-control: 0.0.0.0/0 allow
  do-daemonize: no
  do-not-query-localhost: no
  username: ""
  chroot: ""
  directory: "${directory}"
  pidfile: "${directory}/unbound.pid"
  use-syslog: no
  logfile: ""
  module-config: "iterator"
  num-threads: 1
  minimal-responses: yes
  local-zone: "cluster.local." static
  ${data.join('\n  ')}
forward-zone:
  name: "."
  forward-addr: ${UPSTREAM}
remote-control:
  control-enable: no
`,
    );
    return pinned('unbound', ['-d', '-c', file]);
  },
};

const knot: Peer = {
  name: 'knot',
  resolves: false,
  start(directory) {
    const zone = join(directory, 'cluster.local.zone');
    const records = names().map((index) => `${serviceName(index)}. 5 A ${clusterIpOf(index)}`);
    writeFileSync(
      zone,
      `cluster.local. 5 SOA ns.dns.cluster.local. hostmaster.cluster.local. 1 7200 1800 86400 5
cluster.local. 5 NS ns.dns.cluster.local.
ns.dns.cluster.local. 5 A ${SERVER}
${records.join('\n')}
`,
    );
    const file = join(directory, 'knot.conf');
    writeFileSync(
      file,
      `server:
  rundir: "${directory}"
  listen: ${SERVER}@53
  udp-workers: 1
  tcp-workers: 1
  background-workers: 1
database:
  storage: "${directory}"
log:
  - target: stderr
    any: error
zone:
  - domain: cluster.local
    file: "${zone}"
    zonefile-load: whole
    journal-content: none
`,
    );
    return pinned('knotd', ['-c', file]);
  },
};

/** On the server's own processor. */
export function pinned(program: string, args: readonly string[]): ChildProcess {
  return spawn('taskset', ['-c', '0', program, ...args], { stdio: ['ignore', 'ignore', 'ignore'] });
}
