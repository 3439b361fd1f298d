/** Generic netlink (linux/genetlink.h): families of messages that are known by name. */
import { PodnetError } from '../../model/errors.ts';
import { isErrno } from '../ffi.ts';
import type { Netns } from '../netns.ts';
import { Attributes } from './attributes.ts';
import { MessageWriter } from './message.ts';
import { type NetlinkSocket, openNetlinkSocket } from './netlink-socket.ts';
import type { NetlinkReply } from './reply.ts';

/** A socket, and the number that the kernel gave the family. */
export interface GenericNetlink {
  readonly socket: NetlinkSocket;
  /** A message of the family, its header written: command 8, version 8, reserved 16. Attributes follow. */
  message(command: number, flags?: number): MessageWriter;
  /** What follows that header in a reply. */
  attributes(reply: NetlinkReply): Attributes;
  close(): void;
}

export interface GenericFamily {
  readonly name: string;
  readonly version: number;
  /** The kernel module that brings the family, for who has to load it. */
  readonly module: string;
}

const CONTROLLER = { id: 0x10, version: 2, getFamily: 3 } as const;
const CTRL_ATTR = { FAMILY_ID: 1, FAMILY_NAME: 2 } as const;
const GENERIC_HEADER_LENGTH = 4;

/** Opens a family in `netns`. @throws PodnetError `kernel-lacks` when this kernel does not have it */
export function openGenericNetlink(
  { name, version, module }: GenericFamily,
  options: { readonly netns?: Netns } = {},
): GenericNetlink {
  const socket = openNetlinkSocket('generic', options);
  try {
    const question = new MessageWriter(CONTROLLER.id, 0)
      .u8(CONTROLLER.getFamily)
      .u8(CONTROLLER.version)
      .u16(0)
      .attrString(CTRL_ATTR.FAMILY_NAME, name);
    const [reply] = socket.request(question.finish(`look up the generic netlink family ${name}`));
    const id = reply && new Attributes(reply.payload, GENERIC_HEADER_LENGTH).u16(CTRL_ATTR.FAMILY_ID);
    if (id === undefined) throw new Error(`The kernel gave the generic netlink family ${name} no number`);
    return {
      socket,
      message: (command, flags = 0) => new MessageWriter(id, flags).u8(command).u8(version).u16(0),
      attributes: ({ payload }) => new Attributes(payload, GENERIC_HEADER_LENGTH),
      close: () => socket.close(),
    };
  } catch (error) {
    socket.close();
    if (!isErrno(error, 'ENOENT')) throw error;
    throw new PodnetError(`This kernel has no ${name}`, {
      code: 'kernel-lacks',
      where: `module ${module}`,
      fix: `Load it (modprobe ${module}) or use a kernel that has it, such as Debian's linux-image-amd64.`,
      cause: error,
    });
  }
}
