import { existsSync, readFileSync } from 'node:fs';
import { basename, delimiter, dirname, join, resolve } from 'node:path';
import { usualBefore } from '../cni/kit/default-configs.ts';
import { type KitReport, printReport } from '../cni/kit/report.ts';
import { pluginNames } from '../cni/plugins/registry.ts';
import { findExecutable } from '../cni/spec/delegate.ts';
import { type JsonObject, parseJsonObject } from '../cni/spec/json.ts';
import { runProgram } from '../kernel/process.ts';
import { userNamespaceFix } from '../kernel/user-namespaces.ts';
import { PodnetError } from '../model/errors.ts';
import type { KitRequest } from './cni-kit-main.ts';
import { printData } from './data.ts';
import type { Printed } from './options.ts';
import { printResult } from './terminal.ts';

export interface CniTestOptions extends Printed {
  readonly config?: string;
  /** True for the usual one. */
  readonly before?: string | true;
  readonly pluginDir?: readonly string[];
}

/** `podnet cni test PLUGIN`: exits 1 when a case fails. */
export async function cniTest(plugin: string, options: CniTestOptions): Promise<number> {
  const directories = (
    options.pluginDir ??
    process.env['CNI_PATH']?.split(delimiter) ?? ['/opt/cni/bin', '/usr/lib/cni']
  ).map((directory) => resolve(directory));
  const executable = findPlugin(plugin, directories);
  const report = await runInNamespaces({
    plugin: executable,
    directories,
    ...(options.config !== undefined && { config: readConfig(options.config) }),
    ...(options.before !== undefined && {
      before: options.before === true ? usualBefore : readConfig(options.before),
    }),
  });
  if (!printData(report, options.output)) printResult(printReport(report));
  return report.failed === 0 ? 0 : 1;
}

/** A path as it is given; else one of ours, else a file of the directories. */
function findPlugin(plugin: string, directories: readonly string[]): string {
  if (plugin.includes('/')) return requireExecutable(resolve(plugin));
  if (pluginNames.includes(plugin)) return plugin;
  const file = findExecutable(plugin, directories);
  if (file !== undefined) return file;
  throw new PodnetError(`There is no plugin ${plugin}`, {
    code: 'invalid-option',
    where: 'cni test PLUGIN',
    fix: `Give the path of an executable, or one of ${pluginNames.join(', ')}.`,
  });
}

function requireExecutable(file: string): string {
  if (findExecutable(basename(file), [dirname(file)]) !== undefined) return file;
  throw new PodnetError(`${file} is no executable file`, {
    code: 'invalid-option',
    where: 'cni test PLUGIN',
    fix: existsSync(file) ? `Make it one: chmod +x ${file}` : 'Check the path.',
  });
}

function readConfig(file: string): JsonObject {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (cause) {
    throw new PodnetError(`Cannot read ${file}`, {
      code: 'invalid-config',
      where: file,
      fix: "Give a file with one plugin's configuration.",
      cause,
    });
  }
  return parseJsonObject(text, file);
}

/** As root of new user, mount, PID and network namespaces: plugins can do what they like. */
async function runInNamespaces(request: KitRequest): Promise<KitReport> {
  const isolated = [
    '--user',
    '--map-root-user',
    '--mount',
    '--net',
    '--pid',
    '--fork',
    '--kill-child',
    '--mount-proc',
  ];
  const main = join(
    import.meta.dirname,
    import.meta.filename.endsWith('.ts') ? 'cni-kit-main.ts' : 'cni-kit-main.js',
  );
  const node = [process.execPath, '--disable-warning=ExperimentalWarning', main, JSON.stringify(request)];
  const { status, stdout, stderr } = await runProgram('unshare', [...isolated, '--', ...node], {
    timeoutMs: 600_000,
  });
  if (status === 0) return JSON.parse(stdout.slice(stdout.lastIndexOf('\n{') + 1)) as KitReport;
  throw new PodnetError(`The kit did not run: ${stderr.trim().slice(0, 2000)}`, {
    code: 'kit-failed',
    where: request.plugin,
    fix: stderr.includes('unshare') ? userNamespaceFix() : 'See its words above.',
  });
}
