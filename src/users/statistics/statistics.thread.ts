// Thread that counts users and asks for them page by page.
import { type Asking, askThrough } from '../../workers/threads/thread-questions.js';
import { UserCount, type UserStatistics, type UserTraits } from './user-count.js';

export default async function countUsers(task: Asking): Promise<UserStatistics> {
  const nextPage = askThrough<'next', UserTraits[] | null>(task);
  const count = new UserCount();
  for (let page = await nextPage('next'); page; page = await nextPage('next')) for (const user of page) count.add(user);
  return count.result();
}
