/** The place where the plugin under test works: this thread's network namespace is the node, pods come and go. */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { currentNetns } from '../../kernel/netns.ts';
import { openRtnl } from '../../kernel/rtnl/rtnl.ts';
import { type JsonObject, isJsonObject } from '../spec/json.ts';
import { type CniResult, parseResult } from '../spec/result.ts';
import { type CniVersion, latestCniVersion } from '../spec/versions.ts';
import { type Outcome, Violation, execute, requireSuccess } from './call-plugin.ts';
import { findExecutable } from '../spec/delegate.ts';
import { type Pod, createPod } from './pods.ts';
import { type Snapshot, describeDifference, filesSnapshot, networkSnapshot, settle } from './snapshot.ts';

export interface KitOptions {
  /** Path of the executable under test. */
  readonly plugin: string;
  /** Its configuration; name and cniVersion are put in. `{stateDirectory}` in texts becomes a fresh directory. */
  readonly config: JsonObject;
  /** Configuration of a plugin that makes the interface a chained one works on. */
  readonly before?: JsonObject | undefined;
  /** CNI_PATH. */
  readonly directories: readonly string[];
}

/** One container attached to the network by the plugin under test. */
export interface Attached {
  readonly pod: Pod;
  readonly ifName: string;
  readonly version: CniVersion;
  /** As the plugin printed it. */
  readonly answer: JsonObject;
  readonly result: CniResult;
  /** What the plugin before it answered. */
  readonly prevResult: JsonObject | undefined;
}

export interface CallOptions {
  readonly pod?: Pod | undefined;
  readonly version?: string;
  /** Put over the usual ones; undefined takes a variable away. */
  readonly environment?: Readonly<Record<string, string | undefined>>;
  /** Put over the configuration. */
  readonly config?: JsonObject;
  readonly stdin?: string;
}

const IFNAME = 'eth0';
/** The node's way to elsewhere, which plugins may look for. */
const UPLINK = 'uplink0';
/** What Kubernetes' runtimes pass. */
const ARGS = 'IgnoreUnknown=1;K8S_POD_NAMESPACE=default;K8S_POD_NAME=kit;K8S_POD_UID=1f0c';

export class Bench {
  readonly options: KitOptions;
  /** Latest version that plugin and kit have in common; set once the plugin said. */
  version: CniVersion = latestCniVersion;
  readonly #directory: string;
  readonly #stateDirectory: string;
  readonly #node = currentNetns();
  #initial: Snapshot = [];
  #baseline: Snapshot = [];
  readonly #pods: Pod[] = [];
  readonly #attached = new Map<Pod, Attached>();

  constructor(options: KitOptions) {
    this.options = options;
    this.#directory = mkdtempSync(join(tmpdir(), 'podnet-kit-'));
    this.#stateDirectory = join(this.#directory, 'state');
    mkdirSync(this.#stateDirectory, { mode: 0o700 });
    this.change(undefined, (rtnl) => {
      rtnl.setLink('lo', { up: true });
      if (rtnl.link(UPLINK)) return;
      rtnl.addLink({ kind: 'veth', name: UPLINK, peer: { name: `${UPLINK}-peer` }, up: true });
      rtnl.setLink(`${UPLINK}-peer`, { up: true });
      rtnl.addAddress({ link: UPLINK, address: '192.0.2.2', prefixLength: 24 });
      rtnl.replaceRoute({ dst: '0.0.0.0/0', gateway: '192.0.2.1' });
    });
  }

  pod(): Pod {
    const pod = createPod(this.#directory);
    this.#pods.push(pod);
    return pod;
  }

  /** Executes the plugin under test. */
  call(command: string, options: CallOptions = {}): Promise<Outcome> {
    const { config } = this.options;
    return this.#execute(this.options.plugin, command, config, options);
  }

  /** A path that is a file, and no namespace. */
  get plainFile(): string {
    return '/etc/passwd';
  }

  /** ADD of the plugin before, if there is one, and of the plugin under test. @throws Violation when it fails */
  async attach(pod: Pod, version = this.version): Promise<Attached> {
    const prevResult = await this.addBefore(pod, version);
    const outcome = requireSuccess(
      await this.call('ADD', { pod, version, config: { ...(prevResult && { prevResult }) } }),
    );
    if (!outcome.json) throw new Violation('ADD succeeded and printed no JSON object');
    const result = parseResult(outcome.json, { version, path: 'result of ADD: ' });
    const attached = { pod, ifName: IFNAME, version, answer: outcome.json, result, prevResult };
    this.#attached.set(pod, attached);
    return attached;
  }

  /** Makes the interface that a chained plugin works on; nothing for others. */
  async addBefore(pod: Pod, version: string): Promise<JsonObject | undefined> {
    const { before } = this.options;
    if (!before) return undefined;
    const outcome = requireSuccess(await this.#before('ADD', pod, version), 'of the plugin before');
    return outcome.json;
  }

  async delBefore(pod: Pod, version: string): Promise<void> {
    if (this.options.before) requireSuccess(await this.#before('DEL', pod, version), 'of the plugin before');
  }

  /** CHECK or DEL with what ADD answered. */
  callAttached(
    command: 'ADD' | 'CHECK' | 'DEL',
    attached: Attached,
    options: CallOptions = {},
  ): Promise<Outcome> {
    const { pod, version, answer, prevResult } = attached;
    const given = command === 'ADD' ? prevResult : answer;
    return this.call(command, {
      pod,
      version,
      ...options,
      config: { ...(given && { prevResult: given }), ...options.config },
    });
  }

  /** DEL of the plugin under test and then of the one before. @throws Violation when one fails */
  async detach(attached: Attached): Promise<void> {
    requireSuccess(await this.callAttached('DEL', attached));
    await this.delBefore(attached.pod, attached.version);
    this.#attached.delete(attached.pod);
  }

  /** The node and everything the plugins keep in files. */
  async node(): Promise<Snapshot> {
    const files = filesSnapshot([this.#stateDirectory, '/var/lib/cni', '/run/cni']);
    return [...(await networkSnapshot(this.#node)), ...files];
  }

  inside(pod: Pod): Promise<Snapshot> {
    return networkSnapshot(pod.netns);
  }

  /** Remembers what was there before the plugin did anything. */
  async rememberInitial(): Promise<void> {
    this.#initial = await this.node();
  }

  /** Remembers the node as it is: what stands now (bridges, chains) is shared by containers and may stay. */
  async remember(): Promise<void> {
    this.#baseline = await this.node();
  }

  /** The same, once the pairs of containers that left are gone, or a few seconds later. */
  async rememberSettled(): Promise<void> {
    const isOfOne = (line: string): boolean =>
      /^link \S+ (veth|ifb) /.test(line) && !this.#initial.includes(line);
    await settle([], async () => (await this.node()).filter(isOfOne));
    await this.remember();
  }

  /** @throws Violation when the node is not as it was remembered; what it is now is remembered then */
  async requireNode(when: string): Promise<void> {
    const found = await settle(this.#baseline, async () => {
      const now = await this.node();
      // What is shared may go with the last container; what was there first may not.
      const gone = this.#baseline.filter((line) => !this.#initial.includes(line) && !now.includes(line));
      return [...now, ...gone];
    });
    if (found.appeared.length + found.vanished.length === 0) return;
    this.#baseline = await this.node();
    throw new Violation(`the node differs ${when}: ${describeDifference(found)}`);
  }

  /** @throws Violation when the pod's namespace is not as it was */
  async requireInside(pod: Pod, expected: Snapshot, when: string): Promise<void> {
    const found = await settle(expected, () => this.inside(pod));
    if (found.appeared.length + found.vanished.length > 0)
      throw new Violation(`the container differs ${when}: ${describeDifference(found)}`);
  }

  /** Ends every attachment and pod, whatever state a case left them in. */
  async clean(): Promise<void> {
    for (const attached of this.#attached.values()) await this.detach(attached).catch(() => {});
    this.#attached.clear();
    for (const pod of this.#pods.splice(0)) pod.kill();
  }

  close(): void {
    this.#node.close();
    rmSync(this.#directory, { recursive: true, force: true });
  }

  /** Inside a pod, or on the node. */
  change(pod: Pod | undefined, run: (rtnl: ReturnType<typeof openRtnl>) => void): void {
    const rtnl = openRtnl({ netns: pod?.netns ?? this.#node });
    try {
      run(rtnl);
    } finally {
      rtnl.close();
    }
  }

  #before(command: string, pod: Pod, version: string): Promise<Outcome> {
    const { before = {}, directories } = this.options;
    const type = typeof before['type'] === 'string' ? before['type'] : '';
    const executable = findExecutable(type, directories);
    if (executable === undefined)
      throw new Violation(`the plugin before, ${JSON.stringify(type)}, is not in ${directories.join(', ')}`);
    return this.#execute(executable, command, before, { pod, version });
  }

  #execute(
    executable: string,
    command: string,
    config: JsonObject,
    { pod, version = this.version, environment, config: over, stdin }: CallOptions,
  ): Promise<Outcome> {
    const variables = {
      CNI_COMMAND: command,
      CNI_PATH: this.options.directories.join(':'),
      ...(pod && { CNI_CONTAINERID: pod.id, CNI_NETNS: pod.path, CNI_IFNAME: IFNAME, CNI_ARGS: ARGS }),
      ...environment,
    };
    const whole = {
      name: 'podnet-kit',
      type: basename(executable),
      ...this.#withState(config),
      cniVersion: version,
      ...over,
    };
    return execute(executable, variables, stdin ?? JSON.stringify(whole));
  }

  #withState(config: JsonObject): JsonObject {
    const text = JSON.stringify(config).replaceAll('{stateDirectory}', this.#stateDirectory);
    const value: unknown = JSON.parse(text);
    return isJsonObject(value) ? value : {};
  }
}
