/**
 * A process that adds and deletes pods until it is killed: by its parent, or by itself at a moment it was given. What
 * it was answered it writes down, line by line, as a container runtime would know it.
 */
import { appendFileSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { createPodNetwork } from '../../../src/cni/podnet.ts';
import { pluginNamed } from '../../../src/cni/plugins/registry.ts';
import { openNetns } from '../../../src/kernel/netns.ts';
import { openRtnl, type Rtnl } from '../../../src/kernel/rtnl/rtnl.ts';
import type { CrashJob, Moment } from './crash-job.ts';

const job = JSON.parse(process.argv[2] ?? '{}') as CrashJob;
let left = job.occurrence;

function reached(moment: Moment): void {
  if (moment !== job.moment) return;
  left -= 1;
  if (left <= 0) process.kill(process.pid, 'SIGKILL');
}

let deleting = false;

/** SQLite's own, with the moments around each COMMIT. */
function watchCommits(): void {
  // eslint-disable-next-line typescript/unbound-method -- it is called with the database it belongs to
  const exec = DatabaseSync.prototype.exec;
  DatabaseSync.prototype.exec = function watched(this: DatabaseSync, sql: string) {
    if (sql === 'COMMIT')
      reached(deleting ? 'before the address is given back' : 'before the address is written');
    exec.call(this, sql);
    if (sql === 'COMMIT')
      reached(deleting ? 'after the address is given back' : 'after the address is written');
  };
}

/** The kernel's, with the moments after what an ADD and a DEL do. */
function watchedRtnl(options: Parameters<typeof openRtnl>[0] = {}): Rtnl {
  const rtnl = openRtnl(options);
  const after = (method: 'addLink' | 'batch' | 'setLink', moment: Moment): void => {
    const original = rtnl[method].bind(rtnl) as (...args: unknown[]) => void;
    Object.defineProperty(rtnl, method, {
      value: (...args: unknown[]) => {
        original(...args);
        reached(moment);
      },
    });
  };
  if (options.netns) after('batch', 'after the pod’s end is set up');
  else {
    after('addLink', 'after the veth pair is made');
    after('batch', 'after the node’s end is set up');
    after('setLink', 'after the link is out of service');
  }
  return rtnl;
}

interface Subject {
  add(pod: CrashJob['pods'][number]): Promise<string>;
  del(pod: CrashJob['pods'][number]): Promise<void>;
}

function agent(): Subject {
  watchCommits();
  const network = createPodNetwork({
    podCidr: job.podCidr,
    databasePath: job.databasePath,
    linkMode: job.linkMode,
    openRtnl: watchedRtnl,
  });
  return {
    async add({ containerId, netns: path }) {
      const netns = openNetns(path);
      deleting = false;
      const sandbox = { containerId, namespace: 'default', name: containerId, uid: '', netns };
      return (await network.add(sandbox).finally(() => netns.close())).addresses[0] ?? '';
    },
    async del({ containerId }) {
      deleting = true;
      await network.del({ containerId });
    },
  };
}

function pluginOf(type: 'podnet' | 'host-local'): Subject {
  async function call(command: 'ADD' | 'DEL', pod: CrashJob['pods'][number]): Promise<string> {
    const plugin = await pluginNamed(type);
    const answer = await plugin?.answer({
      environment: {
        CNI_COMMAND: command,
        CNI_CONTAINERID: pod.containerId,
        CNI_NETNS: pod.netns,
        CNI_IFNAME: 'eth0',
        CNI_PATH: '',
      },
      stdin: JSON.stringify(job.config),
      findPlugin: pluginNamed,
      longLived: true,
    });
    if (answer?.exitCode !== 0) throw new Error(answer?.stdout);
    const { ips = [] } = JSON.parse(answer.stdout || '{}') as { ips?: { address: string }[] };
    return ips[0]?.address.split('/')[0] ?? '';
  }
  return { add: async (pod) => call('ADD', pod), del: async (pod) => void (await call('DEL', pod)) };
}

const say = (line: string): void => appendFileSync(job.answers, `${line}\n`);
const subject = job.kind === 'agent' ? agent() : pluginOf(job.kind);

/** All at once; two thirds of the pods go again, and some come back. */
async function live(pod: CrashJob['pods'][number], index: number): Promise<void> {
  for (let life = 0; life < 3; life += 1) {
    // eslint-disable-next-line no-await-in-loop -- one life after the other
    say(`ADD ${pod.containerId} ${await subject.add(pod)}`);
    if (index % 3 === 0) return;
    say(`DEL ${pod.containerId}`);
    // eslint-disable-next-line no-await-in-loop -- as above
    await subject.del(pod);
  }
}

say('STARTED');
await Promise.all(job.pods.map(live));
say('DONE');
