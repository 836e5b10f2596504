from tensorflow import keras
