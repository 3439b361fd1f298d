import { cpus, totalmem } from 'node:os';
import { podHostname } from '../../dns/pod-hosts-file.ts';
import { errorMessage, PodnetError } from '../../model/errors.ts';
import type { Pod } from '../../model/objects.ts';
import type { PodFacts } from './downward.ts';
import type { PodContext } from './pod-context.ts';
import { createSandbox, type PodSandbox } from './sandbox.ts';

const SANDBOX_RETRY_MS = { first: 500, max: 15_000 } as const;
const VOLUMES_RETRY_MS = 2000;
const MACHINE = { cpus: cpus().length, memoryBytes: totalmem() };

export interface PodGroundOptions {
  readonly context: PodContext;
  /** The pod as it is now. */
  readonly pod: () => Pod;
  readonly event: (type: 'Normal' | 'Warning', reason: string, message: string) => void;
}

/** What the containers of a pod stand on: its sandbox with the network, its volumes and files. */
export class PodGround {
  readonly #options: PodGroundOptions;
  #sandbox: PodSandbox | undefined;
  #network: 'none' | 'up' | 'given back' = 'none';
  #sandboxRetryMs: number = SANDBOX_RETRY_MS.first;
  #volumesChecked = false;
  #filesWritten: Promise<void> | undefined;
  #unfollow = (): void => {};

  constructor(options: PodGroundOptions) {
    this.#options = options;
  }

  /** Also when the network has been given back. */
  get sandbox(): PodSandbox | undefined {
    return this.#sandbox;
  }

  get network(): 'none' | 'up' | 'given back' {
    return this.#network;
  }

  get isReady(): boolean {
    return this.#sandbox !== undefined && this.#volumesChecked;
  }

  get facts(): PodFacts {
    const { nodeAddresses, nodeName } = this.#options.context;
    const podAddresses = this.#sandbox?.addresses ?? [];
    return { podAddresses, hostAddresses: nodeAddresses, nodeName, ...MACHINE };
  }

  /** Makes what is missing. Resolves to undefined when all is there, else to the time to wait in milliseconds. */
  async prepare(): Promise<number | undefined> {
    return (await this.#makeSandbox()) ?? (await this.#checkVolumes());
  }

  async #makeSandbox(): Promise<number | undefined> {
    if (this.#sandbox) return undefined;
    const { context, event } = this.#options;
    const pod = this.#options.pod();
    try {
      const hostname = pod.spec?.hostNetwork === true ? context.nodeName : podHostname(pod);
      const { podNetwork, nodeNetns, nodeAddresses, nodeDirectory } = context;
      this.#sandbox = await createSandbox({
        pod,
        podNetwork,
        nodeNetns,
        nodeAddresses,
        nodeDirectory,
        hostname,
      });
      this.#network = 'up';
      return undefined;
    } catch (error) {
      event('Warning', 'FailedCreatePodSandBox', `Failed to create pod sandbox: ${describe(error)}`);
      const waitMs = this.#sandboxRetryMs;
      this.#sandboxRetryMs = Math.min(waitMs * 2, SANDBOX_RETRY_MS.max);
      return waitMs;
    }
  }

  /** A pod whose volumes need objects that are not there waits, as in any cluster. */
  async #checkVolumes(): Promise<number | undefined> {
    if (this.#volumesChecked) return undefined;
    const { context, pod, event } = this.#options;
    try {
      await context.files.check(pod(), this.facts);
      this.#volumesChecked = true;
      return undefined;
    } catch (error) {
      event('Warning', 'FailedMount', `MountVolume.SetUp failed: ${describe(error)}`);
      return VOLUMES_RETRY_MS;
    }
  }

  /** Writes what the pod's programs find on disk, once. */
  async prepareFiles(): Promise<void> {
    const sandbox = this.#sandbox;
    if (!sandbox || this.#network !== 'up')
      throw new PodnetError('The pod has no sandbox', {
        code: 'pod-not-running',
        fix: 'Wait until it runs.',
      });
    this.#filesWritten ??= this.#writeFiles(sandbox).catch((error: unknown) => {
      this.#filesWritten = undefined;
      throw error;
    });
    await this.#filesWritten;
  }

  async #writeFiles(sandbox: PodSandbox): Promise<void> {
    const { context, pod, event } = this.#options;
    // Before they are read: no change is missed.
    this.#unfollow();
    this.#unfollow = context.mountedObjects.follow(pod(), (changed) => this.#refresh(sandbox, changed));
    const remarks = await context.files.write(pod(), this.facts, sandbox);
    for (const remark of remarks) event('Warning', 'PodFiles', remark);
  }

  async #refresh(sandbox: PodSandbox, changed: ReadonlySet<string>): Promise<void> {
    const { context, pod, event } = this.#options;
    await this.#filesWritten;
    try {
      await context.files.refresh(pod(), this.facts, sandbox, changed);
    } catch (error) {
      if (!(error instanceof PodnetError)) throw error;
      event('Warning', 'FailedMount', `MountVolume.SetUp failed: ${describe(error)}`);
    }
  }

  async giveBackNetwork(): Promise<void> {
    this.#unfollow();
    if (this.#network !== 'up') return;
    this.#network = 'given back';
    try {
      await this.#sandbox?.release();
    } catch (error) {
      this.#options.context.onError(error);
    }
  }

  /** Removes what is on disk. */
  remove(): void {
    this.#sandbox?.remove();
  }
}

function describe(error: unknown): string {
  const fix = error instanceof PodnetError && error.fix !== undefined ? `. ${error.fix}` : '';
  return `${errorMessage(error)}${fix}`;
}
