// Marks a route that needs no access token; every other route is refused without one.
import { SetMetadata } from '@nestjs/common';

export const IS_PUBLIC = 'isPublic';
/** `optional`: a token that is sent is checked, as elsewhere, and says who it is. */
export const Public = (is: true | 'optional' = true): ClassDecorator & MethodDecorator => SetMetadata(IS_PUBLIC, is);
