__attribute__((objc_root_class)) @interface SharedDelegate
+ (int)answer;
@end
@implementation SharedDelegate
+ (int)answer { return 42; }
@end
__attribute__((objc_root_class)) @interface OwnHelper
@end
@implementation OwnHelper
@end
