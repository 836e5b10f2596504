import keras
from keras import layers
import numpy as np
