import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pluginNamed } from '../../../src/cni/plugins/registry.ts';
import type { Attachment } from '../../../src/cni/spec/config.ts';
import { type CniResult, convertResult, parseResult } from '../../../src/cni/spec/result.ts';
import { type JsonObject, isJsonObject } from '../../../src/cni/spec/json.ts';
import { runProgram } from '../../../src/kernel/process.ts';
import type { Netns } from '../../../src/kernel/netns.ts';

/** Where Debian's containernetworking-plugins are. */
export const DEBIAN_PLUGINS = '/usr/lib/cni';

export const withoutDebianPlugins =
  !existsSync(join(DEBIAN_PLUGINS, 'bridge')) && 'containernetworking-plugins is not installed';

export interface Call extends Partial<Attachment> {
  /** With `type`, whose plugin is called; `name` and `cniVersion` unless it has them. */
  readonly config: JsonObject & { readonly type: string; readonly cniVersion?: string };
  readonly netns?: Netns | undefined;
  readonly args?: string;
  readonly prevResult?: CniResult | undefined;
  readonly validAttachments?: readonly Attachment[];
  /** CNI_PATH. Unless told, podnet's plugins find only each other there, and Debian's only Debian's. */
  readonly path?: string;
  /** As in the agent's server. */
  readonly longLived?: boolean;
}

export type Command = 'ADD' | 'DEL' | 'CHECK' | 'GC' | 'STATUS';

/** An error object that a plugin answered. */
export class AnsweredError extends Error {
  readonly code: number;

  constructor(code: number, message: string) {
    super(message);
    this.name = 'AnsweredError';
    this.code = code;
  }
}

/** Calls podnet's plugin in this process, and in this thread's namespace. */
export async function ours(command: Command, call: Call): Promise<CniResult> {
  const plugin = await pluginNamed(call.config.type);
  if (!plugin) throw new Error(`podnet has no plugin ${call.config.type}`);
  const { environment, stdin } = input(command, { path: '', ...call });
  const { exitCode, stdout } = await plugin.answer({
    environment,
    stdin,
    findPlugin: pluginNamed,
    longLived: call.longLived ?? false,
  });
  return read(exitCode, stdout);
}

/** Calls Debian's plugin. Its configuration says version 1.0.0, the latest it speaks. */
export async function debian(command: Command, call: Call): Promise<CniResult> {
  const config = { cniVersion: '1.0.0', ...call.config };
  const { environment, stdin } = input(command, { path: DEBIAN_PLUGINS, ...call, config });
  const file = join(DEBIAN_PLUGINS, call.config.type);
  const { status, stdout } = await runProgram(file, [], {
    input: stdin,
    env: { PATH: process.env.PATH ?? '', ...environment },
  });
  return read(status ?? 1, stdout);
}

function input(command: Command, call: Call): { environment: Record<string, string>; stdin: string } {
  const { containerId = '', ifName = 'eth0', netns, args = '', path = '' } = call;
  const { prevResult, validAttachments } = call;
  const config = { cniVersion: '1.1.0', name: 'test', ...call.config };
  return {
    environment: {
      CNI_COMMAND: command,
      CNI_CONTAINERID: containerId,
      CNI_NETNS: netns ? netnsPath(netns) : '',
      CNI_IFNAME: ifName,
      CNI_ARGS: args,
      CNI_PATH: path,
    },
    stdin: JSON.stringify({
      ...config,
      ...(prevResult && { prevResult: convertResult(prevResult, config.cniVersion) }),
      ...(validAttachments && {
        'cni.dev/valid-attachments': validAttachments.map((each) => ({
          containerID: each.containerId,
          ifname: each.ifName,
        })),
      }),
    }),
  };
}

/** A path by which other programs open the namespace as long as this process lives. */
export function netnsPath(netns: Netns): string {
  return `/proc/${process.pid}/fd/${netns.fd}`;
}

function read(exitCode: number, stdout: string): CniResult {
  const value: unknown = stdout.trim() === '' ? {} : JSON.parse(stdout);
  if (!isJsonObject(value)) throw new Error(`no object: ${stdout}`);
  if (exitCode !== 0) throw new AnsweredError(Number(value.code), String(value.msg));
  return parseResult(value, { version: '1.1.0' });
}

/** Makes podnet's plugin an executable of a directory, as other programs know plugins. */
export function installPlugin(directory: string, type: string): void {
  const cni = join(import.meta.dirname, '../../../src/cni');
  const program = [
    `import { runPlugin } from "${cni}/spec/run-plugin.ts"`,
    `import { pluginNamed } from "${cni}/plugins/registry.ts"`,
    `await runPlugin(await pluginNamed("${type}"), pluginNamed)`,
  ].join('; ');
  mkdirSync(directory, { recursive: true });
  const script = `#!/bin/sh\nexec '${process.execPath}' --input-type=module -e '${program}'\n`;
  writeFileSync(join(directory, type), script, { mode: 0o755 });
}
