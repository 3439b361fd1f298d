import type { Container } from '../../model/objects.ts';
import { imageDefaults } from '../workloads/image-defaults.ts';
import { expandVariables } from './expansion.ts';

/** How a container comes to life. */
export type ContainerKind =
  | { readonly kind: 'isolated'; readonly command: readonly string[] }
  /** `note` is for an Event: what could not be honoured. */
  | { readonly kind: 'stand-in'; readonly note?: string };

/**
 * A command runs on the host's programs. `args` alone go to the image's entrypoint where that is known; else they are
 * the command if they begin with a program of the host. Everything else is stood in for.
 */
export function containerCommand(
  container: Container,
  environment: Readonly<Record<string, string>>,
  isProgram: (name: string) => boolean,
): ContainerKind {
  const expand = (words: readonly string[] = []): string[] =>
    words.map((word) => expandVariables(word, environment));
  const [command, args] = [expand(container.command), expand(container.args)];
  if (command.length > 0) return { kind: 'isolated', command: [...command, ...args] };
  const { entrypoint, shell } = imageDefaults(container.image ?? '') ?? {};
  if (args.length > 0) {
    if (entrypoint) return { kind: 'isolated', command: [...entrypoint, ...args] };
    if (isProgram(args[0] ?? '')) return { kind: 'isolated', command: args };
    return {
      kind: 'stand-in',
      note: `args of container ${container.name} are for the entrypoint of image ${container.image ?? ''}, which is not here: a stand-in answers instead. Set "command" to run a program of this machine.`,
    };
  }
  if (shell && (container.stdin === true || container.tty === true))
    return { kind: 'isolated', command: shell };
  return { kind: 'stand-in' };
}
