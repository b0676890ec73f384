// The cache tags of tasks: a change of a task invalidates its cached reads and the lists of its owner.

export const taskTag = (uuid: string): string => `task:${uuid}`;
export const listTag = (ownerUuid: string): string => `tasks-of:${ownerUuid}`;
