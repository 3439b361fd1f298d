/** Calling another plugin: CNI specification 1.1.0, section 4. */
import { accessSync, constants, statSync } from 'node:fs';
import { join } from 'node:path';
import type { CniEnvironment } from './environment.ts';
import { CniError, cniErrorCodes, parseErrorObject } from './error.ts';
import { type JsonObject, parseJsonObject } from './json.ts';
import type { Plugin } from './plugin.ts';
import { type CniResult, parseResult } from './result.ts';
import type { CniCommand, CniVersion } from './versions.ts';

export interface Delegate {
  /**
   * Runs the plugin `type` of CNI_PATH with this request's environment. Unless told it gets this request's command and
   * the configuration this plugin got. Resolves with what ADD answered.
   *
   * @throws CniError: the plugin's own, or invalid configuration when CNI_PATH has no such plugin
   */
  run(type: string, command?: CniCommand, config?: JsonObject): Promise<CniResult | undefined>;
}

/** Finds plugins that are part of this program: `pluginNamed` of the registry. */
export type FindPlugin = (type: string) => Promise<Plugin | undefined>;

export interface DelegateOptions {
  readonly environment: CniEnvironment;
  readonly command: CniCommand;
  readonly path: readonly string[];
  readonly version: CniVersion;
  readonly raw: JsonObject;
  readonly findPlugin?: FindPlugin | undefined;
  readonly longLived: boolean;
}

export function createDelegate(options: DelegateOptions): Delegate {
  const { environment, path, version, raw, findPlugin, longLived } = options;
  return {
    async run(type, command = options.command, config = raw) {
      const stdout = await callPlugin(type, {
        path,
        environment: { ...environment, CNI_COMMAND: command },
        stdin: JSON.stringify(config),
        findPlugin,
        longLived,
      });
      if (command !== 'ADD') return undefined;
      const result = parseJsonObject(stdout, `The answer of plugin ${type}`);
      return parseResult(result, { version, path: `${type}: ` });
    },
  };
}

export interface PluginCall extends Pick<DelegateOptions, 'environment' | 'path' | 'findPlugin'> {
  readonly stdin: string;
  readonly longLived: boolean;
}

/**
 * Runs the plugin `type` of `path` and resolves with what it printed. When its file is our own forwarder, or there is
 * none, `findPlugin` is asked for it first.
 *
 * @throws CniError: the plugin's own, or invalid configuration when there is no such plugin
 */
export async function callPlugin(type: string, call: PluginCall): Promise<string> {
  const { path, environment, stdin, findPlugin, longLived } = call;
  const file = findExecutable(type, path);
  const own = file === undefined || isOwnShim(file) ? await findPlugin?.(type) : undefined;
  if (!own && file === undefined)
    throw new CniError(`No plugin ${JSON.stringify(type)} is installed`, {
      code: cniErrorCodes.invalidConfig,
      details:
        path.length > 0
          ? `Install it in ${path.join(' or ')}, or put its directory into CNI_PATH.`
          : 'Put its directory into CNI_PATH, which is empty.',
    });
  const input = { environment, stdin, findPlugin, longLived };
  const answer = own ? await own.answer(input) : await execute(file ?? '', input);
  if (answer.stderr) process.stderr.write(answer.stderr);
  if (answer.exitCode !== 0) throw failure(type, answer);
  return answer.stdout;
}

interface Answer {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** How long a plugin may take. Runtimes give up after minutes; DHCP is the slowest known. */
const TIMEOUT_MS = 120_000;

async function execute(
  file: string,
  { environment, stdin }: { environment: CniEnvironment; stdin: string },
): Promise<Answer> {
  const { runProgram } = await import('../../kernel/process.ts');
  const env: Record<string, string> = {};
  for (const [name, value] of Object.entries({ ...process.env, ...environment }))
    if (value !== undefined) env[name] = value;
  const { status, stdout, stderr } = await runProgram(file, [], {
    input: stdin,
    env,
    timeoutMs: TIMEOUT_MS,
    maxOutputBytes: 4 << 20,
  });
  return { exitCode: status ?? 1, stdout, stderr };
}

function failure(type: string, { exitCode, stdout, stderr }: Answer): CniError {
  let error: CniError | undefined;
  try {
    error = parseErrorObject(JSON.parse(stdout));
  } catch {
    // It printed no JSON: said below.
  }
  if (error)
    return new CniError(`${type}: ${error.message}`, {
      code: error.code,
      details: error.details,
      cause: error,
    });
  return new CniError(`Plugin ${type} ended with status ${exitCode} and no error object`, {
    code: cniErrorCodes.decoding,
    details: (stderr || stdout).trim().slice(0, 500) || undefined,
  });
}

/** The first file of that name in the directories that may be executed. */
export function findExecutable(type: string, directories: readonly string[]): string | undefined {
  if (type === '' || type.includes('/') || type === '.' || type === '..') return undefined;
  return directories
    .map((directory) => join(directory, type))
    .find((file) => {
      try {
        accessSync(file, constants.X_OK);
        return statSync(file).isFile();
      } catch {
        return false;
      }
    });
}

/** Of the forwarder, in the directory where it is installed; the other names are links to it. */
export const SHIM_NAME = 'podnet-cni';

/** Whether a plugin's file is a (hard or symbolic) link to the forwarder of `podnet cni install`. */
export function isOwnShim(file: string): boolean {
  try {
    const shim = statSync(join(file, '..', SHIM_NAME));
    const { ino, dev } = statSync(file);
    return shim.ino === ino && shim.dev === dev;
  } catch {
    return false;
  }
}
